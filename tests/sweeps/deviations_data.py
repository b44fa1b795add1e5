"""Deviations in what goes in: frames, labels, and the parameters that are loaded."""

import numpy as np
from deviation import Catalogue

INPUT, LABELS, LOADED = Catalogue("input"), Catalogue("labels"), Catalogue("loading")
MASKED = np.s_[:, :1]           # a row at the border


def add_input(name, right, change, **more):
    """Add a deviation of the input; `change` takes frames, mean, std and the golden file's input."""
    INPUT.add(name, right, both={"scaled": lambda net, plain, frames, mean, std, x: change(
        frames.astype(np.float64), mean, std, plain(frames, mean, std, x))}, **more)


def with_row_zeroed(x):
    x = x.copy()
    x[MASKED] = 0
    return x


def per_image(frames, axes):
    return (frames - frames.mean(axes, keepdims=True)) / frames.std(axes, keepdims=True)


def between_percentiles(frames):
    low, high = (np.percentile(frames, share, axis=(1, 2, 3), keepdims=True) for share in (1, 99))
    return (frames - low) / (high - low)


add_input("frames / 255", "input_divided_by_255", lambda f, mean, std, x: f / 255)
add_input("raw frames", "input_raw", lambda f, mean, std, x: f)
add_input("frames / std", "input_not_centred", lambda f, mean, std, x: f / std)
add_input("frames - mean", "input_not_divided", lambda f, mean, std, x: f - mean)
add_input("frames - 127", "input_minus_127", lambda f, mean, std, x: f - 127)
add_input("x * 255", "input_times_255", lambda f, mean, std, x: x * np.float32(255))
add_input("x / 255", "input_over_255", lambda f, mean, std, x: x / np.float32(255))
add_input("x * 255 / 255", "agrees", lambda f, mean, std, x: x * np.float32(255) / np.float32(255))
add_input("(N, H, W, C) read as (N, C, H, W)", "nhwc_read_as_nchw", lambda f, mean, std, x: np.ascontiguousarray(
    x).reshape(x.shape[0], x.shape[3], *x.shape[1:3]).transpose(0, 2, 3, 1))
add_input("frames in reverse order", "frames_reversed", lambda f, mean, std, x: x[..., ::-1])
add_input("each image by its own mean and std", "input_scaled_by_frame=image",
          lambda f, mean, std, x: per_image(f, (1, 2, 3)))
add_input("each frame by its own mean and std", "input_scaled_by_frame=frame",
          lambda f, mean, std, x: per_image(f, (1, 2)))
add_input("(x / 255 - 0.5) / 0.5", "input_minus_one_to_one=127.5", lambda f, mean, std, x: (f / 255 - 0.5) / 0.5)
add_input("x / 127.5 - 1", "input_minus_one_to_one=127.5", lambda f, mean, std, x: f / 127.5 - 1)
add_input("H and W exchanged", "input_transposed", lambda f, mean, std, x: x.transpose(0, 2, 1, 3), size=(16, 16))
add_input("each image by its own mean and std, n - 1", "input_scaled_by_frame_unbiased=image",
          lambda f, mean, std, x: (f - f.mean((1, 2, 3), keepdims=True)) / f.std((1, 2, 3), ddof=1, keepdims=True))
add_input("each frame from 0 to 1", "input_from_0_to_1=frame", lambda f, mean, std, x: (
    f - f.min((1, 2), keepdims=True)) / np.ptp(f, (1, 2), keepdims=True))
add_input("left and right exchanged", "input_flipped_columns", lambda f, mean, std, x: x[:, :, ::-1])
add_input("each image between its percentiles", "", lambda f, mean, std, x: between_percentiles(f))
add_input("frames / 256", "input_divided_by_256", lambda f, mean, std, x: f / 256)
add_input("(frames - 128) / 128", "input_minus_one_to_one=128", lambda f, mean, std, x: (f - 128) / 128)
add_input("(frames - mean) / 255", "input_centred_over_255", lambda f, mean, std, x: (f - mean) / 255)
add_input("frames / 255 less the mean", "input_by_255_before_mean", lambda f, mean, std, x: (f / 255 - mean) / std)
add_input("by ToTensor and Normalize", "agrees", lambda f, mean, std, x: (
    np.float32(f) / np.float32(255) - np.float32(mean / 255)) / np.float32(std / 255))
add_input("first frame left out", "", lambda f, mean, std, x: x * (np.arange(x.shape[3]) > 0))
add_input("rows upside down", "input_flipped_rows", lambda f, mean, std, x: x[:, ::-1])
add_input("divided by the variance", "input_divided_by_variance", lambda f, mean, std, x: (f - mean) / std ** 2)
add_input("std of n - 1", "input_scaled_by_frame_unbiased=batch", lambda f, mean, std, x: (f - mean) / f.std(ddof=1))
add_input("mean and std of ImageNet", "input_by_imagenet", lambda f, mean, std, x: (f / 255 - (0.485, 0.456, 0.406)) / (
    0.229, 0.224, 0.225))
add_input("first row zeroed", "", lambda f, mean, std, x: with_row_zeroed(x))
add_input("clipped to 1.5", "", lambda f, mean, std, x: np.clip(x, -1.5, 1.5))
add_input("a pixel to the right", "", lambda f, mean, std, x: np.roll(x, 1, 2))
add_input("the middle frame in every channel", "", lambda f, mean, std, x: np.repeat(x[..., 1:2], x.shape[3], 3))
add_input("noise of 1e-3", "", lambda f, mean, std, x: x + 1e-3 * np.random.default_rng(0).standard_normal(x.shape))
add_input("gamma 0.9", "", lambda f, mean, std, x: (255 * (f / 255) ** 0.9 - mean) / std)
add_input("batch in reverse order", "input_in_reverse_order", lambda f, mean, std, x: x[::-1])


def add_labels(name, right, change, **more):
    LABELS.add(name, right, both={"labels": lambda net, plain, labels: change(plain(labels).copy())}, **more)


def with_pixels(labels, at, value):
    labels[at] = value
    return labels


add_labels("shifted to the right", "labels_shifted=right", lambda y: np.roll(y, 1, 2))
add_labels("shifted up", "labels_shifted=up", lambda y: np.roll(y, -1, 1))
add_labels("shifted up and left", "labels_shifted=up and left", lambda y: np.roll(y, (-1, -1), (1, 2)))
add_labels("moved down, with 0 above", "labels_shifted=down, the border filled with 0",
           lambda y: with_pixels(np.roll(y, 1, 1), np.s_[:, 0], 0))
add_labels("upside down", "labels_flipped_rows", lambda y: y[:, ::-1])
add_labels("left to right", "labels_flipped_columns", lambda y: y[:, :, ::-1])
add_labels("transposed", "labels_transposed", lambda y: y.transpose(0, 2, 1), size=(16, 16))
add_labels("cell and background exchanged", "labels_swapped", lambda y: 1 - y)
add_labels("turned by a quarter", "labels_transposed+labels_flipped_rows|"
           "labels_transposed+labels_flipped_columns", lambda y: np.rot90(y, 1, (1, 2)), size=(16, 16))
add_labels("one pixel wrong", "", lambda y: with_pixels(y, (0, 3, 4), 1 - y[0, 3, 4]))
add_labels("all background", "", lambda y: 0 * y)
add_labels("border is background", "", lambda y: with_pixels(y, (slice(None), 0), 0))
add_labels("of the other image", "labels_in_reverse_order", lambda y: y[::-1])
add_labels("dilated", "", lambda y: np.maximum(y, np.roll(y, 1, 2)))


def add_loaded(name, right, change, layers=None, **more):
    """Add a deviation of the initial parameters; `change` takes the name and the array in NCHW or NHWC."""
    LOADED.add(name, right, both={"loaded": lambda net, plain, key, array: change(key, plain(key, array), net.layout)},
               layers=layers, **more)


add_loaded("initial weights twice as large", "", lambda key, w, layout: 2 * w, hint="begin factor")
add_loaded("initial biases 0", "bias_missing", lambda key, w, layout: w * (not key.endswith("bias")), hint="begin")
add_loaded("initial weights of another seed", "", lambda key, w, layout: np.random.default_rng(3).standard_normal(
    w.shape).astype(w.dtype) * w.std(), hint="begin")
