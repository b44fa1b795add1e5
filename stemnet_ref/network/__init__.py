"""The network: its topology, its parameters, forward and backward."""

from .stemnet import PRESETS, StemNet, layer_shapes

__all__ = ["PRESETS", "StemNet", "layer_shapes"]
