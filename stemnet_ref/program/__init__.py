"""What all programs share: their beginning, one-line errors, exit status, lines to the terminal."""
