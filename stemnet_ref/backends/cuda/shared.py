"""What the GPU's sides of the layers share."""

from functools import cache

import numpy as np

from .device import LIMIT, blocks, launch

PARTS = 512                 # of a sum, at most: enough blocks to keep a GPU busy
MOST_SUMS = 2 ** 23         # of all parts of a product together: 32 MiB


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


def sum_over(device, name, count, shape, *arguments, dtype=np.float64, columns=None, rest=(), factor=1.0, into=None):
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
    into : array, optional
        To write the sum into.
    """
    parts = device.empty((parts_of(count), *shape), dtype)
    launch(name, len(parts) if columns is None else (blocks(columns, 32), len(parts)), *arguments, parts, *rest)
    return add_parts(device, parts, factor, into)


def add_parts(device, parts, factor=1.0, into=None):
    """Return `factor` times the sum over the first axis of `parts`, added in order; in the array `into` if given."""
    if len(parts) == 1 and factor == 1 and into is None:
        return parts.reshape(parts.shape[1:])
    out = device.empty(parts.shape[1:], parts.dtype) if into is None else into
    launch("shared.sum_parts", blocks(out.size), parts, out, factor, len(parts), out.size)
    return out


def write_schedule(device, step, rate=0.0, correction=1.0, into=None):
    """Return what kernels take of a step: its number, rate and correction of the optimizer, float64 of shape (3,)."""
    schedule = device.empty((3,), np.float64) if into is None else into
    launch("shared.write_schedule", 1, schedule, step, rate, correction, block=1)
    return schedule


@cache
def no_schedule(device):
    """Return what stands in a schedule's place where no kernel looks at it."""
    return device.empty((3,), np.float64)


def exchange(device, weight):
    """Return a kernel (..., I, J) as (..., J, I): channels in and out exchanged."""
    *_, i, j = weight.shape
    out = device.empty((*weight.shape[:-2], j, i), weight.dtype)
    launch("shared.exchange", (blocks(j, 32), blocks(i, 32), weight.size // (i * j)), weight, out, i, j)
    return out


class Product:
    """A kernel that is built on windows.cuh: its grid, and what it is compiled with.

    Attributes
    ----------
    parts : int
        How many blocks share a sum, so that the GPU is full. Their results are added in order by `add_parts`.
    options : tuple of (str, int)
        The macros.
    """

    def __init__(self, device, kind, tile, grid, parts, kernel, chunk, channels, width=32):
        self.device, self.parts, self.grid, self.threads = device, parts, grid, _threads(kind, tile)
        side = kernel[0] if kernel[0] == kernel[1] <= 5 else 1
        self.options = (("PRODUCT", kind), ("TILE_ROWS", tile[0]), ("TILE_COLUMNS", tile[1]), ("TILE_WIDTH", width),
                        ("KERNEL", side), ("CHUNK", chunk),
                        ("VECTOR", int(all(count % 4 == 0 for count in channels))))

    @classmethod
    def convolve(cls, device, pixels, kernel, c, columns, dtype, channels, stride=1):
        """Return that of a convolution.

        Parameters
        ----------
        device : device.CuPy
        pixels : tuple of int
            N, H and W of the output.
        kernel : tuple of int
            Its sides.
        c, columns : int
            Channels in and out.
        dtype : numpy dtype
        channels : tuple of int
            Of every array that the kernel reads or writes; whether all are multiples of 4 decides how.
        stride : int
            Input pixels from one output pixel to the next.
        """
        (n, h, w), area = pixels, kernel[0] * kernel[1]
        kind, tile, chunk = _ways(device, dtype, c, columns)
        width = next((width for width in (8, 16) if w <= width), 32)
        down = n * blocks(h, tile[0] // width) * blocks(w, width) if kind else blocks(n * h * w, tile[0])
        grid = down, blocks(columns, tile[1])
        parts = _parts(grid[0] * grid[1], _room(device, kind, tile), n * h * w * columns, area * c, blocks(c, chunk))
        return cls(device, kind, tile, grid, parts, kernel if stride == 1 else (1, 1), chunk, channels, width)

    @classmethod
    def weight_gradient(cls, device, pixels, kernel, c, columns, dtype, channels):
        """Return that of the gradient by a kernel; parameters as for `convolve`."""
        rows, summands = kernel[0] * kernel[1] * c, int(np.prod(pixels))
        kind, tile, chunk = _ways(device, dtype, 8, columns, rows)
        grid = blocks(rows, tile[0]), blocks(columns, tile[1])
        parts = _parts(grid[0] * grid[1], _room(device, kind, tile), rows * columns, summands, summands // 256)
        return cls(device, kind, tile, grid, parts, kernel, chunk, channels)

    def launch(self, name, parts, *arguments):
        """Start the kernel with blockIdx.z < parts.

        Raises
        ------
        ValueError
            If the kernel's indices would not fit.
        """
        pixels = max((each.size // each.shape[-1] for each in arguments if getattr(each, "ndim", 0) == 4), default=0)
        if pixels >= LIMIT:
            raise ValueError(f"{name}: {pixels} pixels are more than a kernel can count; give it fewer")
        launch(name, (*self.grid, parts), *arguments, block=self.threads, options=self.options)

    def run(self, name, inputs, shapes, sizes, into=None):
        """Start the kernel with the arguments `inputs`, outputs, `sizes`; return its outputs, of the given shapes.

        `into` is an array for the output, where there is one.
        """
        if into is not None and self.parts == 1:
            self.launch(name, 1, *inputs, into, *sizes)
            return [into]
        outputs = [self.device.empty((self.parts, *shape), inputs[0].dtype) for shape in shapes]
        self.launch(name, self.parts, *inputs, *outputs, *sizes)
        return [add_parts(self.device, output, into=into) for output in outputs]


def _ways(device, dtype, c, columns, rows=LIMIT):
    """Return PRODUCT, rows and columns of a block's tile, and CHUNK (windows.cuh), by device and shape.

    Tensor cores take float32, and eight channels at once. In float64 tiles are half as high and chunks half as deep, to
    fit into shared memory.
    """
    double = dtype == np.float64
    chunk = min(c, 4 if double else 8)
    kind = device.product if chunk == 8 else min(device.product, 1)
    if kind == 0:
        return kind, (64, 16), chunk
    width = next((width for width in (16, 32) if columns <= width), 64)
    height = 128 if width == 64 or rows <= 128 else 256
    return kind, (height // 2 if double and height * width > 2048 else height, width), chunk


def _threads(kind, tile):
    """Return the threads of a block."""
    return tile[0] * tile[1] // (64 if kind else 4)


def _room(device, kind, tile):
    """Return how many blocks the GPU has room for at once: BLOCKS of sums.cuh and sums_tensor.cuh on each part."""
    few = _threads(kind, tile) < 128
    return device.multiprocessors * (4 if few or not kind else 3 if kind == 1 else 2)


@cache
def _parts(tiles, room, sums, summands, most):
    """Return into how many parts to divide the sums of a product.

    The time is that of ceil(tiles * parts / room) rounds of blocks, each 1/parts of the whole sum long, and of writing
    and reading the parts: as long as about 54 multiplications for each, by the data sheet of an H100.
    """
    most = max(1, min(PARTS, most, summands // 256, MOST_SUMS // max(sums, 1)))
    extra = 54 / max(summands, 1) * tiles / room
    return min(range(1, most + 1),
               key=lambda parts: blocks(tiles * parts, room) / parts + (parts * extra if parts > 1 else 0))
