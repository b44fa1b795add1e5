"""Comparing an implementation in a framework with the reference: python -m stemnet_ref.verify --help

`check` does it for a layer, within a test. Read `trace` for the network written tensor by tensor, `operations` and
`updates` for the conventions in which frameworks differ, `rounding` for how far two right results may be apart, and
`compare` for how a difference is explained.
"""

from .checking import check

__all__ = ["check"]
