"""The layers' operations on a CUDA GPU."""
