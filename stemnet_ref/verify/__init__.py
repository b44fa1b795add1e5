"""Comparing an implementation in a framework with the reference: python -m stemnet_ref.verify --help

Three rooms, of which each imports those before it. `expected` computes what is expected: the network tensor by tensor
(`trace`) and a layer alone (`layer`), with how far two right results may be apart (`rounding`), and under any
convention in which frameworks differ. This one compares: `golden` files, `compare` with what another implementation
made of one, `weights` to and from others, and `twins` of the network in three frameworks. `diagnosis` says why a number
is another: `search` finds the `conventions` that explain a difference. The commands and `check`, for a layer within a
test, join them.
"""

from .checking import check
from .expected.layer import Options

__all__ = ["Options", "check"]
