"""The configuration of a matrix product built on windows.cuh: tiles, macros, and how many blocks share a sum."""

from functools import cache

import numpy as np

from .launch import LIMIT, MAX_PARTS, add_parts, blocks, launch

MAX_SUMS = 2 ** 23          # partial sums of a product together: 32 MiB


class GemmConfig:
    """How a product is computed: the grid of its kernel, and the macros that this is compiled with.

    Attributes
    ----------
    split_k : int
        How many blocks share a sum, so that the GPU is full. Their results are added in order by `add_parts`.
    options : tuple of (str, int)
        The macros.
    """

    def __init__(self, device, kind, tile, grid, split_k, kernel, chunk, channels, width=32):
        self.device, self.split_k, self.grid, self.threads = device, split_k, grid, _threads(kind, tile)
        side = kernel[0] if kernel[0] == kernel[1] <= 5 else 1
        if not kind:                                    # the plain product looks at none of these
            side, width, chunk = 1, 32, 1
        self.options = (("PRODUCT", kind), ("TILE_ROWS", tile[0]), ("TILE_COLUMNS", tile[1]), ("TILE_WIDTH", width),
                        ("KERNEL", side), ("CHUNK", chunk),
                        ("VECTOR", int(all(count % 4 == 0 for count in channels))))

    @classmethod
    def convolve(cls, device, pixels, kernel, c, columns, dtype, channels, stride=1):
        """Return the configuration of a convolution.

        `pixels` are N, H and W of the output, `kernel` the sides of the kernel, `c` and `columns` the channels in and
        out, `channels` those of every array that the kernel reads or writes: whether all are multiples of 4 decides
        how. `stride` is the number of input pixels from one output pixel to the next.
        """
        (n, h, w), area = pixels, kernel[0] * kernel[1]
        kind, tile, chunk = _tiling(device, dtype, c, columns)
        width = next((width for width in (8, 16) if w <= width), 32)
        down = n * blocks(h, tile[0] // width) * blocks(w, width) if kind else blocks(n * h * w, tile[0])
        grid = down, blocks(columns, tile[1])
        split_k = _split_k(grid[0] * grid[1], _room(device, kind, tile), n * h * w * columns, area * c,
                           blocks(c, chunk))
        return cls(device, kind, tile, grid, split_k, kernel if stride == 1 else (1, 1), chunk, channels, width)

    @classmethod
    def weight_gradient(cls, device, pixels, kernel, c, columns, dtype, channels):
        """Return the configuration of the gradient by a kernel; parameters as for `convolve`."""
        rows, summands = kernel[0] * kernel[1] * c, int(np.prod(pixels))
        kind, tile, chunk = _tiling(device, dtype, 8, columns, rows)
        grid = blocks(rows, tile[0]), blocks(columns, tile[1])
        split_k = _split_k(grid[0] * grid[1], _room(device, kind, tile), rows * columns, summands, summands // 256)
        return cls(device, kind, tile, grid, split_k, kernel, chunk, channels)

    def launch(self, name, split_k, *arguments):
        """Start the kernel with blockIdx.z < split_k; raise ValueError if its indices would not fit."""
        pixels = max((each.size // each.shape[-1] for each in arguments if getattr(each, "ndim", 0) == 4), default=0)
        if pixels >= LIMIT:
            raise ValueError(f"{name}: {pixels} pixels are more than a kernel can count; give it fewer")
        launch(name, (*self.grid, split_k), *arguments, block=self.threads, options=self.options)

    def run(self, name, inputs, shapes, sizes, out=None):
        """Start the kernel with the arguments `inputs`, outputs, `sizes`; return its outputs, of the given shapes.

        `out` is an array for the output, where there is one.
        """
        if out is not None and self.split_k == 1:
            self.launch(name, 1, *inputs, out, *sizes)
            return [out]
        outputs = [self.device.empty((self.split_k, *shape), inputs[0].dtype) for shape in shapes]
        self.launch(name, self.split_k, *inputs, *outputs, *sizes)
        return [add_parts(output, out=out) for output in outputs]


def _tiling(device, dtype, c, columns, rows=LIMIT):
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
    """Return the number of threads in a block."""
    return tile[0] * tile[1] // (64 if kind else 4)


def _room(device, kind, tile):
    """Return how many blocks the GPU has room for at once: BLOCKS of sums.cuh and sums_tensor.cuh on each part."""
    few = _threads(kind, tile) < 128
    return device.multiprocessors * (4 if few or not kind else 3 if kind == 1 else 2)


@cache
def _split_k(tiles, room, sums, summands, limit):
    """Return into how many parts to divide the sums of a product.

    The time is that of ceil(tiles * parts / room) rounds of blocks, each 1/parts of the whole sum long, and of writing
    and reading the parts: as long as about 54 multiplications for each, by the data sheet of an H100.
    """
    limit = max(1, min(MAX_PARTS, limit, summands // 256, MAX_SUMS // max(sums, 1)))
    extra = 54 / max(summands, 1) * tiles / room
    return min(range(1, limit + 1),
               key=lambda parts: blocks(tiles * parts, room) / parts + (parts * extra if parts > 1 else 0))
