"""Why a number is another: the conventions that explain a difference, as text and as the search for them."""
