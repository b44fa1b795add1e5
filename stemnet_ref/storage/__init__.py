"""What is written to disk: atomic writes, locks, checked archives, and what may be replaced."""
