"""What the values of a mask say: which kind of mask it is, its cells, their borders and outlines."""
