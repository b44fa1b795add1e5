"""What is expected of another implementation: every tensor with its rounding bound, under any convention."""
