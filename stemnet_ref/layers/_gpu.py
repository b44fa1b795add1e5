"""What the GPU's sides of the layers share."""

import numpy as np

from ..device import LIMIT, blocks, launch

PARTS = 512             # of a sum, at most: enough blocks to keep a GPU busy


def each_element(device, name, *arrays, like, rest=()):
    """Run a kernel that has one thread for each element of its output; return the output, an array like `like`.

    Its parameters are the arrays, the output, `rest`, and the number of elements.
    """
    out = device.empty(like.shape, like.dtype)
    launch(name, blocks(out.size), *arrays, out, *rest, out.size)
    return out


def parts_of(count):
    """Return into how many parts to divide `count` summands: not too small, and not too many."""
    return max(1, min(PARTS, count // 256))


def sum_over(device, name, count, shape, *arguments, dtype=np.float64, columns=None, rest=(), factor=1.0):
    """Run a kernel that sums `count` values in parts; return the sum of the parts, added in their order.

    Parameters
    ----------
    count : int
        Values that are summed up; every part takes an equal share.
    shape : tuple of int
        Of the sum.
    *arguments, rest
        The kernel's parameters before and after the array of parts (number of parts, *shape).
    dtype : numpy dtype
        Of the sum.
    columns : int, optional
        Of a kernel that sums columns: its grid covers them by 32 at a time.
    factor : float
        What to multiply the sum by.
    """
    parts = device.empty((parts_of(count), *shape), dtype)
    launch(name, len(parts) if columns is None else (blocks(columns, 32), len(parts)), *arguments, parts, *rest)
    return add_parts(device, parts, factor)


def add_parts(device, parts, factor=1.0):
    """Return `factor` times the sum over the first axis of `parts`, added in order."""
    out = device.empty(parts.shape[1:], parts.dtype)
    launch("_gpu.sum_parts", blocks(out.size), parts, out, factor, len(parts), out.size)
    return out


def product_grid(layer, rows, columns, parts=1):
    """Return the grid of a product (_product.cuh), after checking that its indices fit an int.

    Raises
    ------
    ValueError
        If they do not.
    """
    if max(rows, columns) >= LIMIT:
        raise ValueError(f"{layer}: {rows} x {columns} outputs are more than a kernel can count; give it fewer pixels")
    return blocks(rows, 64), blocks(columns, 64), parts
