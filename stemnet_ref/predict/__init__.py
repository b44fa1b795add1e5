"""Segment frames of any size with a trained network, and write the results."""

from .segment import RESULTS, run
from .tiles import TILE, cell_probability, logits

__all__ = ["RESULTS", "TILE", "cell_probability", "logits", "run"]
