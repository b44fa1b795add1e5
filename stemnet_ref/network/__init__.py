"""The network: its topology, its parameters, forward and backward."""

from .stemnet import StemNet, layer_shapes

__all__ = ["StemNet", "layer_shapes"]
