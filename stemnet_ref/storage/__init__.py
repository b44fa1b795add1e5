"""Files on disk: atomic writes, locks, checked archives, and which files may be replaced."""
