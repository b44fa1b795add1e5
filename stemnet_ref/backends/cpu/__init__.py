"""The layers' operations, fast, on a CPU."""
