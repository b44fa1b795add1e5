"""What a comparison computes: every tensor with its rounding bound, and the conventions that explain a difference."""
