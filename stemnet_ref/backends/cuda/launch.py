"""Kernels started: the launch that checks what CUDA would not, one thread for each element, and sums in parts."""

import numpy as np

from ...dispatch import device_of
from .sources import kernels, signature, source

BLOCK = 256             # threads in a block, wherever a kernel does not say otherwise
VECTOR = 16             # bytes that a kernel compiled with VECTOR reads at once, from a multiple of them on
LIMIT = 2 ** 31         # what a kernel indexes with an int is below it
MAX_PARTS = 512         # into which the sums of a product are divided
MAX_BLOCKS = 1024       # that share a sum over pixels: enough of them to keep a GPU busy


def launch(name, grid, *arguments, block=BLOCK, options=()):
    """Start a kernel, after checking what CUDA would not.

    Parameters
    ----------
    name : str
        ``stem.kernel``, such as ``relu.relu_forward``.
    grid : int or tuple of int
        Number of blocks, as `blocks` gives it; nothing is started where it holds a 0.
    *arguments
        Arrays on one device, ints and floats, in the order of the kernel's parameters.
    block : int
        Threads in a block.
    options : tuple of (str, int)
        Macros to compile the file with; with VECTOR 1, all arrays must begin at multiples of 16 bytes.

    Raises
    ------
    ValueError
        If an argument does not fit its parameter: number, dtype, contiguity, alignment, device, or range.
    """
    stem, _, kernel = name.partition(".")
    parameters = kernels(source(stem))[kernel]
    if len(arguments) != len(parameters):
        raise ValueError(f"{kernel}: {len(arguments)} arguments; it takes {len(parameters)}")
    arrays = [(each, parameter) for each, parameter in zip(arguments, parameters, strict=True) if parameter.pointer]
    device = device_of(*(array for array, _ in arrays))
    real, label = next(((array.dtype, parameter.name) for array, parameter in arrays if parameter.kind == "REAL"),
                       (np.float32, ""))
    if real not in (np.float32, np.float64):
        raise ValueError(f"{kernel}: {label} is {real}; it must be float32 or float64")
    double = real == np.float64
    checked = tuple([_checked(kernel, argument, *expected)
                     for argument, expected in zip(arguments, signature(stem, kernel, double), strict=True)])
    if ("VECTOR", 1) in options:
        for array, parameter in arrays:
            if array.size and device.address(array) % VECTOR:
                raise ValueError(f"{kernel}: {parameter.name} does not begin at a multiple of {VECTOR} bytes; copy it "
                                 "first")
    grid = grid if isinstance(grid, tuple) else (grid,)
    if max(grid) >= LIMIT or max((*grid[1:], 0)) > 65535:
        raise ValueError(f"{kernel}: a grid of {grid} blocks is more than CUDA allows; give it less at once")
    if min(grid) > 0:
        device.run(device.function(stem, kernel, "double" if double else "float", options), grid, block, checked)


def blocks(count, size=BLOCK):
    """Return how many blocks of `size` cover `count`."""
    return -(-count // size)


def elementwise(name, *arrays, rest=()):
    """Run a kernel that has one thread for each element of its output; return the output, an array like the first.

    Its parameters are the arrays, the output, `rest`, and the number of elements.
    """
    out = device_of(*arrays).empty(arrays[0].shape, arrays[0].dtype)
    launch(name, blocks(out.size), *arrays, out, *rest, out.size)
    return out


def rowwise(name, *arguments):
    """Run a kernel that has one thread for each row of K values; return its output, an array like the first argument.

    Its parameters are the arguments, the output, the number of rows, and K.
    """
    out, k = device_of(*arguments).empty(arguments[0].shape, arguments[0].dtype), arguments[0].shape[-1]
    launch(name, blocks(out.size // k), *arguments, out, out.size // k, k)
    return out


def number_of_parts(count):
    """Return into how many parts to divide `count` summands: not too small, and not too many."""
    return max(1, min(MAX_BLOCKS, count // 256))


def sum_over(name, count, shape, *arguments, dtype=np.float64, columns=None, rest=(), factor=1.0, out=None):
    """Run a kernel that sums `count` values in parts of equal shares; return `factor` times the parts' sum, in order.

    The kernel takes `arguments`, the first of them an array, then the array of parts (number of parts, *shape), then
    `rest`. With `columns`, the grid is (columns / 32, parts). `out` is the array for the sum, if given.
    """
    parts = device_of(arguments[0]).empty((number_of_parts(count), *shape), dtype)
    launch(name, len(parts) if columns is None else (blocks(columns, 32), len(parts)), *arguments, parts, *rest)
    return add_parts(parts, factor, out)


def add_parts(parts, factor=1.0, out=None):
    """Return `factor` times the sum over the first axis of `parts`, in a fixed order; in the array `out` if given."""
    if len(parts) == 1 and factor == 1 and out is None:
        return parts.reshape(parts.shape[1:])
    out = device_of(parts).empty(parts.shape[1:], parts.dtype) if out is None else out
    # Threads that share an element: where there are few of them, so many that a GPU is full, with eight parts for each
    sharing = max(1, min(64, len(parts) // 8, 2 ** 18 // max(1, out.size)))
    across = BLOCK >> sharing.bit_length() - 1
    launch("shared.sum_parts", blocks(out.size, across), parts, out, factor, len(parts), out.size, across)
    return out


def swap_channels(weight):
    """Return a kernel (..., I, J) as (..., J, I): channels in and out swapped."""
    *_, i, j = weight.shape
    out = device_of(weight).empty((*weight.shape[:-2], j, i), weight.dtype)
    launch("shared.swap_channels", (blocks(j, 32), blocks(i, 32), weight.size // (i * j)), weight, out, i, j)
    return out


def _checked(kernel, argument, parameter, dtype, lowest, highest):
    """Return the argument as the kernel takes it."""
    if parameter.pointer:
        if argument.dtype != dtype:
            raise ValueError(f"{kernel}: {parameter.name} is {argument.dtype}; it must be {dtype}")
        if not argument.flags.c_contiguous:
            raise ValueError(f"{kernel}: {parameter.name} is not contiguous; copy it first")
        return argument
    if lowest is not None and not (isinstance(argument, (int, np.integer)) and lowest <= argument <= highest):
        raise ValueError(f"{kernel}: {parameter.name}={argument!r} must be a whole number of {8 * dtype.itemsize} bits"
                         + (", give it fewer pixels at once" if isinstance(argument, int) else ""))
    return dtype.type(argument)
