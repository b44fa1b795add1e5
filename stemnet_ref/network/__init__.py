"""The network: its topology, its parameters, forward and backward."""

from .stemnet import StemNet

__all__ = ["StemNet"]
