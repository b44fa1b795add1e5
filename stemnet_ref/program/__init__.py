"""What all programs share: start, parser, one-line errors, exit status, lines to the terminal."""
