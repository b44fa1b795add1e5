"""Small frames and masks on disk for the tests."""

from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stemnet_ref.data.frames import Frame

SAVEFIG = Figure.savefig


def cells(rng, height=40, width=48, radius=6, discs=1):
    """Return a frame, uint8, with bright discs on grey noise, and its mask, 0 and 255."""
    y, x = np.mgrid[:height, :width]
    disc = False
    for _ in range(discs):
        row, column = rng.uniform(radius, height - radius), rng.uniform(radius, width - radius)
        disc |= (y - row) ** 2 + (x - column) ** 2 < radius ** 2
    frame = np.clip(100 + 8 * rng.standard_normal((height, width)) + 70 * disc, 0, 255)
    return frame.astype(np.uint8), (255 * disc).astype(np.uint8)


def sequence(folder, count=10, name="t_{:02d}.png", seed=0, **size):
    """Write `count` frames and masks into folder/frames and folder/masks; return both folders."""
    rng = np.random.default_rng(seed)
    for part in ("frames", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        frame, mask = cells(rng, **size)
        Image.fromarray(frame).save(folder / "frames" / name.format(number))
        Image.fromarray(mask).save(folder / "masks" / name.format(number))
    return folder / "frames", folder / "masks"


def pixels_of(path):
    """Return the pixels of a picture that Pillow reads."""
    return np.asarray(Image.open(path))


def stack(path, pages):
    """Write arrays as the pages of one TIFF."""
    images = [Image.fromarray(page) for page in pages]
    images[0].save(path, save_all=True, append_images=images[1:])


def touch(folder, *names):
    """Write pictures of 2 x 2 pixels."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(folder / name)
    return folder


def made(*numbers, sequence="s"):
    """Return frames with these numbers that are on no disk."""
    return [Frame(Path(f"{sequence}{n}.png"), None, f"{sequence}{n}", sequence, n, (n,)) for n in numbers]


def undrawn(figure, file, *, metadata, **how):
    """Stand for Figure.savefig, whose drawing takes most of a short run's time: write the same few pixels."""
    said = PngInfo()
    for key, value in metadata.items():
        said.add_text(key, value)
    Image.new("L", (4, 4)).save(file, "PNG", pnginfo=said)


@contextmanager
def drawing():
    """Have figures drawn meanwhile."""
    with mock.patch.object(Figure, "savefig", SAVEFIG):
        yield
