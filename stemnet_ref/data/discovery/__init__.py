"""Finding the pictures of time-lapses: which planes, which sequence, which number, and what a set says of its truth."""
