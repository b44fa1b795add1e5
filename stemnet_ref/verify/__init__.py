"""Comparing an implementation in a framework with the reference."""
