"""Frames and masks: finding, pairing and reading them, splitting, cutting into batches, scaling."""
