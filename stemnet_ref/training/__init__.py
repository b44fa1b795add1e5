"""A training run: settings, steps, epochs, checkpoints, and going on."""
