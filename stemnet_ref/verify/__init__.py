"""Comparing an implementation in a framework with the reference: python -m stemnet_ref.verify --help

Two rooms. This one compares: `golden` files, `compare` with what another implementation made of one, `check` for a
layer within a test, `weights` to and from others, and `twins` of the network in three frameworks. `diagnosis` computes
what is expected and says why a number is another: `trace` computes the network tensor by tensor, `layers` (those in
`products`, `operations` and `costs`) and `updates` ask for the `conventions` in which frameworks differ, `rounding`
says how far two right results may be apart, and `search` finds the conventions that explain a difference.
"""

from .checking import check

__all__ = ["check"]
