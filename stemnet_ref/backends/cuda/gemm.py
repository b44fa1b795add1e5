"""The configuration of a matrix product built on windows.cuh: tiles, macros, and how many blocks share a sum."""

from functools import cache
from typing import NamedTuple

import numpy as np

from .launch import LIMIT, MAX_PARTS, add_parts, blocks, launch, swap_channels

MAX_SUMS = 2 ** 23          # partial sums of a product together: 32 MiB
TILES, GRADIENT, LINES = 1, 2, 3        # GROUPS of windows.cuh: groups.cuh, group_gradient.cuh and group_lines.cuh


class Tiling(NamedTuple):
    """How the blocks of a product's kernel divide its work: macros of windows.cuh."""

    product: int                # the way: PRODUCT
    rows: int                   # of a block's tile: pixels, or places under the kernel
    columns: int                # channels out
    width: int                  # pixels of a line that a block works on
    kernel: int                 # the kernel's side, or 1 to take its elements one by one
    chunk: int                  # channels in that are taken at once
    groups: int                 # TILES, GRADIENT or LINES with the products of groups of warps, else 0
    itemsize: int               # bytes of a number

    @property
    def threads(self):
        """Number of threads in a block."""
        if self.groups:
            return 2 * self.rows
        return self.rows * self.columns // (64 if self.product else 4)

    @property
    def room(self):
        """How many blocks a multiprocessor has registers for: BLOCKS of the files where `Sums` is."""
        if self.groups:
            return 2 if self.threads <= 256 else 1
        return 4 if self.threads < 128 or not self.product else 3 if self.product == 1 else 2

    @property
    def shared_bytes(self):
        """Shared memory of a block, at least `Shared` of the file that has it; the compiler compares."""
        k, sums = self.kernel, self.rows * (self.columns + 4)
        if not self.product:
            return 16
        if self.groups == LINES:
            return 4 * ((4 - self.product) * 5 * self.chunk * 80 + 2 * 260 * (self.chunk + 4) + 256 * 20)
        if self.groups == GRADIENT:
            columns, line = k * self.columns if self.columns == 16 else self.columns, self.width
            stage = (k + line - 1) * (self.chunk + 8) + (4 - self.product) * line * columns
            return 4 * max((3 if line == 64 else 4) * stage, self.rows * (columns + 4))
        if self.groups:
            image, stages = 2 * (k + 7) * (k + 15) * 12, 4 if k == 5 and self.product == 3 else 3
            return 4 * max(blocks(image, 4) * 4 + stages * (4 - self.product) * k * self.columns * 8, sums)
        pixel = self.chunk + 4 if self.chunk % 4 == 0 else self.chunk | 1
        taps, images = k if self.product > 1 else 1, 2 if k > 1 else 3
        image = images * (self.rows // self.width + k - 1) * (self.width + k - 1) * pixel
        filters = (2 if taps > 1 else 3) * taps * self.chunk * (self.columns + 8)
        return self.itemsize * max(blocks(image, 4) * 4 + filters, 3 * 8 * (self.rows + self.columns + 16), sums)

    def macros(self, channels):
        """Return what a kernel is compiled with: a tuple of (str, int). `channels` are those of all its arrays."""
        return (("PRODUCT", self.product), ("TILE_ROWS", self.rows), ("TILE_COLUMNS", self.columns),
                ("TILE_WIDTH", self.width), ("KERNEL", self.kernel), ("CHUNK", self.chunk),
                ("VECTOR", int(all(count % 4 == 0 for count in channels))), ("GROUPS", self.groups),
                ("SHARED_BYTES", self.shared_bytes))


class GemmConfig:
    """How a product is computed: the grid of its kernel, and the macros that this is compiled with.

    Attributes
    ----------
    tiling : Tiling
    split_k : int
        How many blocks share a sum, so that the GPU is full. `add_parts` adds their results in a fixed order.
    options : tuple of (str, int)
        The macros.
    """

    def __init__(self, device, tiling, grid, sums, summands, limit, channels):
        self.device, self.tiling, self.grid, self.options = device, tiling, grid, tiling.macros(channels)
        room = max(1, min(tiling.room, device.shared_bytes // (tiling.shared_bytes + 1024)))
        self.split_k = _split_k(grid[0] * grid[1], device.multiprocessors * room, sums, summands, limit)

    @classmethod
    def convolve(cls, device, pixels, kernel, c, columns, dtype, channels, stride=1):
        """Return the configuration of a convolution.

        `pixels` are N, H and W of the output, `kernel` the sides of the kernel, `c` and `columns` the channels in and
        out, `channels` those of every array that the kernel reads or writes: whether all are multiples of 4 decides
        how. `stride` is the number of input pixels from one output pixel to the next.
        """
        n, h, w = pixels
        tiling = _tiling(device, dtype, c, columns, kernel if stride == 1 else (1, 1))
        groups = _has_groups(device, dtype)
        if groups and tiling.kernel == 5 and max(c, columns) <= 32 and w > 160:
            tiling = Tiling(device.product, 256, 16, 256, 5, blocks(c, 8) * 8, LINES, 4)
            across = n * blocks(w, 256)
            grid = across * _segments(across * blocks(columns, 16), h, device.multiprocessors), blocks(columns, 16)
            return cls(device, tiling, grid, n * h * w * columns, 25 * c, 1, channels)
        if groups and tiling.product > 1 and tiling.kernel > 2:
            tiling = tiling._replace(rows=128, width=8, groups=TILES)
        elif tiling.product:
            tiling = tiling._replace(width=next((width for width in (8, 16) if w <= width), 32))
        down = (n * blocks(h, tiling.rows // tiling.width) * blocks(w, tiling.width) if tiling.product else
                blocks(n * h * w, tiling.rows))
        return cls(device, tiling, (down, blocks(columns, tiling.columns)), n * h * w * columns,
                   kernel[0] * kernel[1] * c, blocks(c, tiling.chunk), channels)

    @classmethod
    def weight_gradient(cls, device, pixels, kernel, c, columns, dtype, channels):
        """Return the configuration of the gradient by a kernel; parameters as for `convolve`."""
        (kh, kw), summands = kernel, int(np.prod(pixels))
        narrow = columns <= 32                              # 16 at a time then, and all rows of the kernel at once
        if _has_groups(device, dtype) and c > 8 and kh == kw and (kw == 5 if narrow else 3 <= kw <= 5):
            chunk = 16 if c <= 16 else 32 if c <= 32 or narrow else 64
            width = 64 if blocks(pixels[2], 64) * 64 <= 1.1 * pixels[2] else 32
            rows = blocks(kw * chunk, 64) * 64
            tiling = Tiling(device.product, rows, 16 if narrow else 64, width, kw, chunk, GRADIENT, 4)
            down = blocks(c, chunk) * (1 if narrow else kh)
        else:
            tiling = _tiling(device, dtype, 8, columns, (1, 1), kh * kw * c)    # its kernel does not look at KERNEL
            down = blocks(kh * kw * c, tiling.rows)
        return cls(device, tiling, (down, blocks(columns, tiling.columns)), kh * kw * c * columns, summands,
                   summands // 256, channels)

    def operand(self, weight, swapped=False):
        """Return the right operand as the product takes it: a kernel (KH, KW, C, O), or dy (N, H, W, O).

        For dx, the kernel's channels are `swapped`.
        """
        if not self.tiling.groups:
            return swap_channels(weight) if swapped else weight
        (kh, kw, c, o), parts = weight.shape, 4 - self.tiling.product
        i, j = (o, c) if swapped else (c, o)
        count = kh * kw * blocks(i, 8) * 2 * j
        out = self.device.empty((parts, count, 4), weight.dtype)
        launch("filters.split_filters", blocks(count), weight, out, i, j, int(swapped), parts, count,
               options=(("VECTOR", int(swapped and i % 4 == 0)),))
        return out

    def launch(self, name, split_k, *arguments):
        """Start the kernel with blockIdx.z < split_k; raise ValueError if its indices would not fit."""
        pixels = max((each.size // each.shape[-1] for each in arguments if getattr(each, "ndim", 0) == 4), default=0)
        if pixels >= LIMIT:
            raise ValueError(f"{name}: {pixels} pixels are more than a kernel can count; give it fewer")
        launch(name, (*self.grid, split_k), *arguments, block=self.tiling.threads, options=self.options)

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


def _has_groups(device, dtype):
    """Return whether products of groups of warps can be taken."""
    return device.groups and device.product > 1 and dtype == np.float32


def _tiling(device, dtype, c, columns, kernel, rows=LIMIT):
    """Return the Tiling for a device and a shape.

    Tensor cores take float32, and eight channels at once. In float64 tiles are half as high and chunks half as deep, to
    fit into shared memory.
    """
    double, side = dtype == np.float64, kernel[0] if kernel[0] == kernel[1] <= 5 else 1
    chunk = min(c, 4 if double else 8)
    product = device.product if chunk == 8 else min(device.product, 1)
    if product == 0:
        return Tiling(product, 64, 16, 32, 1, 1, 0, np.dtype(dtype).itemsize)     # it looks at none of the others
    width = next((width for width in (16, 32) if columns <= width), 64)
    height = 128 if width == 64 or rows <= 128 else 256
    height = height // 2 if double and height * width > 2048 else height
    return Tiling(product, height, width, 32, side, chunk, 0, np.dtype(dtype).itemsize)


@cache
def _segments(tiles, lines, room):
    """Return into how many segments of lines to divide each of the tiles of group_lines.cuh.

    The time is that of the rounds of blocks, each as long as its lines of the output, the four lines of the image that
    it reads besides, and about one more to begin with.
    """
    return min(range(1, max(lines, 1) + 1), key=lambda count: blocks(tiles * count, room) * (blocks(lines, count) + 5))


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
