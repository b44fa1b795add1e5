"""Reading picture files: TIFF, PNG and what is in them."""
