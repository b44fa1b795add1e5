"""The input and the labels: the reference's, and under the conventions in which others differ.

Images are (N, H, W, C), labels (N, H, W).
"""

import numpy as np

from .rounding import SINGLE, Value, exact

# By what is scaled by itself, the value of a convention: the axes of its pixels
AXES = {"image": (1, 2, 3), "frame": (1, 2), "batch": (0, 1, 2, 3), "channel": (0, 1, 2)}
IMAGENET = tuple(255 * each for each in (0.485, 0.456, 0.406)), tuple(255 * each for each in (0.229, 0.224, 0.225))
_WAYS = {"down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1), "down and right": (1, 1),
         "down and left": (1, -1), "up and right": (-1, 1), "up and left": (-1, -1)}
# By value of a convention: rows, columns, and whether what leaves the image comes in at the other side
SHIFTS = {**{way: (*by, True) for way, by in _WAYS.items()},
          **{f"{way}, the border filled with 0": (*by, False) for way, by in _WAYS.items()}}


def network_input(golden, inexact, assumed):
    """Return what the network sees, a Value; `inexact` as for `trace.Trace`."""
    frames, (mean, std), unit = golden.frames, golden.scaling, assumed.result_unit()
    x = given = exact(golden.input)
    if frames is not None:
        frames = np.asarray(frames, np.float64)
        x = given = _scaled(frames, mean, std, assumed, given)
        x = _by_others(x, frames, mean, std, assumed)
    x = assumed.choose(x, input_times_255=x.map(lambda a: a * 255.0))
    x = assumed.choose(x, input_over_255=x.map(lambda a: a / 255.0))
    n, h, w, c = x.array.shape
    if c > 1:
        x = assumed.choose(x, frames_reversed=x.map(lambda a: a[..., ::-1]))
        x = assumed.choose(x, nhwc_read_as_nchw=x.map(lambda a: a.reshape(n, c, h, w).transpose(0, 2, 3, 1)))
    for move in _moves("input", x.array.shape, assumed):
        x = x.map(move)
    as_given = x is given and not inexact and unit <= assumed.unit
    return x if as_given else x.uncertain(unit * 4 * abs(x.array))


def moved_labels(labels, classes, assumed):
    """Return the labels as the other side has them."""
    for move in _moves("labels", labels.shape, assumed):
        labels = move(labels)
    if way := assumed.value("labels_shifted"):
        labels = _shifted(labels, *SHIFTS[way])
    return 1 - labels if classes == 2 and assumed.holds("labels_swapped") else labels


def _by_others(x, frames, mean, std, assumed):
    """Return the frames as the other side scales them; x, the reference's way, if it does nothing else."""
    others = {"input_divided_by_255": (0, 255), "input_divided_by_256": (0, 256), "input_raw": (0, 1),
              "input_not_centred": (0, std), "input_not_divided": (mean, 1), "input_minus_127": (127, 1),
              "input_centred_over_255": (mean, 255), "input_divided_by_variance": (mean, std ** 2),
              "input_by_255_before_mean": (255 * mean, 255 * std)}
    if frames.shape[3] == 3:
        others["input_by_imagenet"] = IMAGENET
    seen = {(mean, std)}
    for name, (offset, divisor) in others.items():
        if (offset, divisor) not in seen and assumed.holds(name):
            x = _scaled(frames, np.array(offset), np.array(divisor), assumed)
        seen.add((offset, divisor))
    if middle := assumed.value("input_minus_one_to_one"):
        x = _scaled(frames, middle, middle, assumed)
    for unbiased, name in enumerate(("input_scaled_by_frame", "input_scaled_by_frame_unbiased")):
        if each := assumed.value(name):
            x = _by_itself(frames, AXES[each], unbiased, assumed)
    if each := assumed.value("input_from_0_to_1"):
        least = frames.min(AXES[each], keepdims=True)
        x = _scaled(frames, least, frames.max(AXES[each], keepdims=True) - least, assumed)
    return x


def _scaled(frames, offset, divisor, assumed, given=None):
    """Return (frames - offset) / divisor, or `given`, a Value, which is that as the golden file has it.

    There are many right ways to write it, such as (frames/255 - offset/255) / (divisor/255), or frames * a + b.
    None rounds more than three times what comes of the frames or the offset, before they cancel, nor the result.
    Beside that counts what the golden file's numbers have been rounded by, in float32 or better.
    """
    x, size = (frames - offset) / divisor, (abs(frames) + abs(offset)) / abs(divisor)
    bound = 3 * assumed.unit * (size + abs(x))
    if given is None:
        return Value(x, bound)
    own = abs(given.array - x)
    return Value(given.array, bound + own) if (own <= 8 * SINGLE * size).all() else given


def _by_itself(frames, axes, unbiased, assumed):
    """Return the frames scaled by the mean and the standard deviation of their own pixels along some axes.

    Both are rounded as sums are, the variance also where it is the difference of two means of squares.
    """
    mean, terms = frames.mean(axes, keepdims=True), np.prod([frames.shape[axis] for axis in axes])
    std = frames.std(axes, ddof=unbiased, keepdims=True)
    rounding = assumed.roundings(terms)
    x = _scaled(frames, mean, std, assumed)
    of_mean, of_std = rounding * abs(frames).mean(axes, keepdims=True), rounding * (std + 3 * mean ** 2 / std)
    return Value(x.array, x.error + (of_mean + abs(x.array) * of_std) / std)


def _moves(what, shape, assumed):
    """Yield functions that put pixels where the other side has them, of the input or the labels of a shape."""
    n, h, w = shape[:3]
    if h == w > 1 and assumed.holds(f"{what}_transposed"):
        yield lambda a: a.swapaxes(1, 2)
    for axis, size, name in ((0, n, "in_reverse_order"), (1, h, "flipped_rows"), (2, w, "flipped_columns")):
        if size > 1 and assumed.holds(f"{what}_{name}"):
            yield lambda a, axis=axis: np.flip(a, axis)


def _shifted(labels, rows, columns, around):
    """Return the labels shifted by some rows and columns, with 0 for what comes in, or `around` the image."""
    shifted = np.roll(labels, (rows, columns), (1, 2))
    if not around:
        for axis, by in ((1, rows), (2, columns)):
            if by:
                np.moveaxis(shifted, axis, 0)[0 if by > 0 else -1] = 0
    return shifted
