"""The CUDA files, run on the emulated device or a GPU, against NumPy."""

from unittest import mock

import cases
import numpy as np
import pytest
from checkers import SEED, assert_within_rounding
from hypothesis import given
from hypothesis import strategies as st
from places import KERNEL_PLACES, backend_at, emulator, on

from stemnet_ref.backends.buffers import Buffers
from stemnet_ref.dispatch import to_host
from stemnet_ref.layers import (
    batch_norm,
    bias,
    block,
    conv2d,
    conv_transpose2d,
    dense,
    dropout,
    max_pool2d,
    weighted_cross_entropy,
)
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.optimizers import SGD, Adam, Momentum
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.step import Objective, training_step

SIDE = st.integers(1, 19)                       # a tile is 4 to 32 pixels high,
WIDTH = st.one_of(SIDE, st.integers(12, 18), st.integers(30, 70))       # 8, 16 or 32 wide,
CHANNELS = st.one_of(st.integers(1, 70), st.integers(1, 17).map(lambda n: 4 * n))   # and 16, 32 or 64 channels deep
# PRODUCT of windows.cuh, and whether its convolutions are those of groups.cuh
PRODUCTS = pytest.mark.parametrize("product", [(0, False), (1, False), (2, False), (2, True)],
                                   ids=["loops", "cores", "tensor", "groups"])


def float32(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@KERNEL_PLACES
def test_statistics_of_other_channels_are_refused(place):
    """A kernel would read beyond their end."""
    x, scale = np.ones((1, 2, 2, 3)), np.ones(3)
    with pytest.raises(ValueError, match=r"batch_norm.forward: mean has shape \(2,\)"):
        on(place, batch_norm).forward(x, scale, scale, 0.1, (np.ones(2), np.ones(2)))


@PRODUCTS
@KERNEL_PLACES
@pytest.mark.parametrize(("n", "h", "w", "c", "o", "k", "padding"), [
    (1, 9, 40, 16, 16, 5, "same"), (1, 9, 14, 20, 32, 5, "same"), (2, 5, 33, 20, 32, 5, "valid"),
    (1, 5, 34, 68, 68, 5, "same"), (3, 11, 7, 3, 3, 3, "same"), (1, 11, 7, 9, 9, 3, "valid"),
    (1, 4, 50, 1, 33, 6, "valid"), (2, 3, 17, 10, 70, 1, "same"), (2, 18, 9, 9, 20, 4, "same"),
    (1, 7, 161, 20, 20, 5, "same"), (2, 6, 265, 5, 32, 5, "valid"), (1, 3, 170, 32, 9, 5, "same")])
def test_conv2d_in_float32_over_shapes_that_do_not_fill_the_tiles(place, product, n, h, w, c, o, k, padding):
    assert_conv2d(place, product, 0, n, h, w, c, o, k, padding)


@KERNEL_PLACES
@pytest.mark.parametrize(("n", "h", "w", "c", "o", "padding"), [
    (2, 7, 165, 12, 20, "same"), (1, 6, 257, 5, 9, "valid")])
def test_conv2d_in_float32_where_a_block_makes_several_lines(place, n, h, w, c, o, padding):
    with mock.patch.object(place(), "multiprocessors", 8):
        assert_conv2d(place, (2, True), 0, n, h, w, c, o, 5, padding)


@KERNEL_PLACES
def test_a_wide_image_of_no_lines_has_a_convolution_of_none(place):
    x, weight = np.ones((1, 0, 170, 9), np.float32), np.ones((5, 5, 9, 9), np.float32)
    with computing(place, 2, True):
        assert on(place, conv2d).forward(x, weight).shape == x.shape


@pytest.mark.sweep
@PRODUCTS
@KERNEL_PLACES
@given(SEED, st.integers(1, 3), SIDE, WIDTH, CHANNELS, CHANNELS, st.sampled_from([1, 3, 4, 5, 6]),
       st.sampled_from(["same", "valid"]))
def test_conv2d_in_float32_over_many_shapes(place, product, seed, n, h, w, c, o, k, padding):
    assert_conv2d(place, product, seed, n, h, w, c, o, k, padding)


def assert_conv2d(place, product, seed, n, h, w, c, o, k, padding):
    rng = np.random.default_rng(seed)
    h, w = (h, w) if padding == "same" else (h + k - 1, w + k - 1)
    assert_products(place, product, conv2d, rng, float32(rng, n, h, w, c), float32(rng, k, k, c, o), padding)


def computing(place, product, groups):
    """Return a context in which convolutions are computed in that way; skip the test on a GPU that cannot."""
    if groups and not place().groups and place is not emulator:
        pytest.skip("this GPU has no products of groups of warps, which begin with compute capability 9.0")
    return mock.patch.multiple(place(), product=product, groups=groups)


def assert_products(place, product, layer, rng, x, weight, *options):
    """Compare a layer of convolutions, and its gradients, with the plain one, within the rounding bound."""
    with computing(place, *product):
        y = on(place, layer).forward(x, weight, *options)
        dy = float32(rng, *y.shape)
        found = y, *on(place, layer).backward(dy, x, weight, *options)

    def plain(change):
        a, b, d = (change(array).astype(float) for array in (x, weight, dy))
        return layer.forward(a, b, *options), *layer.backward(d, a, b, *options)

    taps, (c, o) = weight[..., 0, 0].size, (x.shape[3], y.shape[3])
    terms = taps * c + 1, taps * o + 1, min(x.size // c, y.size // o) + 2
    for each in zip(found, plain(np.array), plain(abs), terms, strict=True):
        assert_within_rounding(*each)


@KERNEL_PLACES
@pytest.mark.parametrize(("n", "h", "w", "c", "o"), [
    (2, 20, 31, 16, 2), (1, 9, 70, 5, 3), (1, 3, 3, 4, 1), (1, 30, 19, 33, 4)])
def test_conv2d_in_float32_of_single_pixels_to_few_channels(place, n, h, w, c, o):
    assert_conv2d(place, (1, False), 0, n, h, w, c, o, 1, "same")


@PRODUCTS
@KERNEL_PLACES
@pytest.mark.parametrize(("n", "h", "w", "c", "o", "k", "stride", "padding"), [
    (1, 9, 40, 32, 16, 2, 2, "same"), (1, 5, 33, 64, 32, 3, 2, "valid"), (1, 5, 3, 68, 68, 2, 2, "same"),
    (2, 7, 9, 3, 5, 3, 3, "same"), (1, 4, 17, 9, 1, 1, 2, "valid"), (1, 3, 5, 5, 40, 4, 1, "valid")])
def test_conv_transpose2d_in_float32_over_shapes_that_do_not_fill_the_tiles(place, product, n, h, w, c, o, k, stride,
                                                                           padding):
    assert_conv_transpose2d(place, product, 0, n, h, w, c, o, k, stride, padding)


@KERNEL_PLACES
@pytest.mark.parametrize(("n", "h", "w", "channels", "o", "keep_prob"), [
    (2, 5, 34, (20, 16), 20, 0.75), (1, 17, 9, (5, 6), 35, 0.75), (2, 3, 165, (12, 8), 20, 0.75),
    (1, 2, 170, (5, 6), 11, 0.75), (1, 3, 161, (9,), 33, 1)])
def test_the_block_in_float32_by_groups_of_warps(place, n, h, w, channels, o, keep_prob):
    rng = np.random.default_rng(0)
    inputs = tuple(float32(rng, n, h, w, c) for c in channels)
    weight, b, dy = float32(rng, 5, 5, sum(channels), o), float32(rng, o), float32(rng, n, h, w, o)
    with computing(place, 2, True):
        y, saved = on(place, block).forward(inputs, weight, b, keep_prob=keep_prob, key=(7, 3, 2))
        dinputs, dweight, db, _ = on(place, block).backward(dy, saved, weight)

    def plain(change):
        x, matrix, vector, d = tuple(map(change, inputs)), *map(change, (weight, b, dy))
        found, known = block.forward(x, matrix, vector, keep_prob=keep_prob, key=(7, 3, 2))
        gradients, *others, _ = block.backward(d, known._replace(y=y.astype(float)), matrix)
        return found, *others, *gradients

    exact, large = (plain(lambda array, change=change: change(array).astype(float)) for change in (np.array, abs))
    terms = 25 * weight.shape[2] + 3, n * h * w + 3, n * h * w + 3, *[25 * o + 3] * len(inputs)
    for each in zip((y, dweight, db, *dinputs), exact, large, terms, strict=True):
        assert_within_rounding(*each)


@PRODUCTS
@KERNEL_PLACES
@pytest.mark.parametrize(("n", "h", "w", "c", "o", "k"), [
    (1, 9, 40, 32, 16, 2), (2, 5, 33, 9, 5, 2), (1, 5, 3, 68, 68, 2), (1, 3, 5, 8, 4, 3)])
def test_the_block_with_a_transposed_convolution_in_float32(place, product, n, h, w, c, o, k):
    rng = np.random.default_rng(0)
    x, weight, b = float32(rng, n, h, w, c), float32(rng, k, k, o, c), float32(rng, o)
    with computing(place, *product):
        y, _ = on(place, block).forward((x,), weight, b, "deconv")
    exact, large = (block.forward((change(x).astype(float),), change(weight).astype(float), change(b).astype(float),
                                  "deconv")[0] for change in (np.array, abs))
    assert_within_rounding(y, exact, large, k * k * c + 2)


@pytest.mark.sweep
@PRODUCTS
@KERNEL_PLACES
@given(SEED, st.integers(1, 2), SIDE, WIDTH, CHANNELS, CHANNELS, st.integers(1, 4), st.integers(1, 3),
       st.sampled_from(["same", "valid"]))
def test_conv_transpose2d_in_float32_over_many_shapes(place, product, seed, n, h, w, c, o, k, stride, padding):
    assert_conv_transpose2d(place, product, seed, n, h, w, c, o, k, stride, padding)


def assert_conv_transpose2d(place, product, seed, n, h, w, c, o, k, stride, padding):
    rng = np.random.default_rng(seed)
    assert_products(place, product, conv_transpose2d, rng, float32(rng, n, h, w, c), float32(rng, k, k, o, c), stride,
                    padding)


@KERNEL_PLACES
@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize(("h", "w", "c", "channels", "k"), [
    (18, 35, 8, 8, 3), (18, 35, 20, 20, 5), (18, 35, 8, 72, 3), (18, 35, 20, 9, 4), (5, 66, 16, 40, 4),
    (3, 170, 9, 12, 5)])
def test_tf32_is_the_product_of_operands_rounded_to_eleven_bits(place, h, w, c, channels, k, groups):
    rng = np.random.default_rng(channels)
    x, weight, dy = (float32(rng, *shape) for shape in ((1, h, w, c), (k, k, c, channels), (1, h, w, channels)))
    layer = on(place, conv2d)
    with computing(place, 3, groups):
        found = layer.forward(x, weight), *layer.backward(dy, x, weight)
    x, weight, dy = (((array.view(np.uint32) + 0x1000) & ~np.uint32(0x1fff)).view(np.float32).astype(float)
                     for array in (x, weight, dy))
    size = [abs(array) for array in (x, weight, dy)]
    exact, large = ((conv2d.forward(x, weight), *conv2d.backward(dy, x, weight)) for x, weight, dy in (
        (x, weight, dy), size))
    for each in zip(found, exact, large, (k * k * c + 1, k * k * channels + 1, h * w + 1), strict=True):
        assert_within_rounding(*each)


@KERNEL_PLACES
@pytest.mark.parametrize(("n", "d", "m"), [(1, 1, 1), (70, 40, 70), (33, 3, 17), (5, 12, 32)])
def test_dense_and_bias_in_float32(place, n, d, m):
    rng = np.random.default_rng(0)
    x, weight, b, dy = float32(rng, n, d), float32(rng, d, m), float32(rng, m), float32(rng, n, m)
    x64, weight64, b64, dy64 = (array.astype(float) for array in (x, weight, b, dy))
    assert_within_rounding(on(place, dense).forward(x, weight, b), dense.forward(x64, weight64, b64),
                           dense.forward(abs(x64), abs(weight64), abs(b64)), d + 2)
    _, _, db = on(place, dense).backward(dy, x, weight)
    assert_within_rounding(db, dy64.sum(axis=0), abs(dy64).sum(axis=0), n + 1)
    pixels = float32(rng, 3, 20, 31, m)                         # of several parts
    assert_within_rounding(on(place, bias).backward(pixels)[1], pixels.sum(axis=(0, 1, 2), dtype=float),
                           abs(pixels).sum(axis=(0, 1, 2), dtype=float), 3 * 20 * 31)


@KERNEL_PLACES
@given(SEED, st.integers(1, 3000), st.floats(0.01, 1), st.integers(0, 2 ** 63), st.integers(0, 2 ** 40),
       st.integers(0, 40))
def test_dropout_masks_are_numpys_bit_for_bit(place, seed, size, keep_prob, key, step, layer):
    got = on(place, dropout).draw_mask((size,), keep_prob, key, step, layer)
    np.testing.assert_array_equal(got, dropout.draw_mask((size,), keep_prob, key, step, layer))


@KERNEL_PLACES
def test_ties_and_nan_in_max_pooling(place):
    x = np.zeros((1, 4, 4, 1))
    x[0, 0, 3, 0] = x[0, 3, 3, 0] = np.nan
    for got, want in zip(on(place, max_pool2d).forward(x), max_pool2d.forward(x), strict=True):
        np.testing.assert_array_equal(got[0, 0, 0], want[0, 0, 0])
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


@KERNEL_PLACES
def test_a_label_that_is_no_class_makes_the_cost_nan(place):
    logits, labels = np.zeros((1, 20, 20, 2)), np.zeros((1, 20, 20), np.uint8)
    labels[0, 7, 9] = 2
    cost, p = on(place, weighted_cross_entropy).forward(logits, labels, (1, 2))
    assert np.isnan(cost)
    dz = on(place, weighted_cross_entropy).backward(p, labels, (1, 2))
    assert np.isnan(dz).sum() == 2


@KERNEL_PLACES
@pytest.mark.parametrize("cost", ["weighted_cross_entropy", "cross_entropy", "dice", "quadratic"])
@pytest.mark.parametrize("make", [lambda: SGD(0.01), lambda: Momentum(0.01), lambda: Momentum(0.01, 0.5, "tensorflow"),
                                  lambda: Adam(0.01), lambda: Adam(0.01, form="tensorflow")],
                         ids=["sgd", "momentum", "momentum_tensorflow", "adam", "adam_tensorflow"])
def test_training_steps_in_float64_are_numpys(place, cost, make):
    decay = {} if cost == "cross_entropy" else {"l1": 0.01, "l2": 0.02}
    assert_steps_are_numpys(place, make, {"cost": cost, **decay, "logits": "relu" if cost == "dice" else "linear"})


@KERNEL_PLACES
@pytest.mark.parametrize("chosen", [{"normalisation": "batch", "l1": 0.01, "l2": 0.02},
                                    {"activation": "sigmoid", "keep_prob": 1.0},
                                    {"normalisation": "batch", "activation": "sigmoid", "cost": "dice"}], ids=str)
def test_training_steps_of_the_alternatives_in_float64_are_numpys(place, chosen):
    assert_steps_are_numpys(place, lambda: Momentum(0.01), chosen)


def assert_steps_are_numpys(place, make, chosen):
    """Take three steps on a device and in plain NumPy, and compare all that they change."""
    settings, where = Settings.from_options(chosen), place()
    objective = Objective.of(settings, 10)
    networks = [cases.small_network(settings.logits, activation=settings.activation,
                                    normalisation=settings.normalisation) for _ in range(2)]
    optimizers = [make(), make()]
    networks[0].to(backend_at(place))
    for step in range(3):
        x, labels = (array[:, :8, :8].copy() for array in cases.batch(step))        # fewer tiles, fewer compilations
        labels = labels.astype(np.uint8)
        batches = Buffers(where.to_device(x), where.to_device(labels)), Buffers(x, labels)
        actual, expected = (training_step(network, optimizer, batch, objective, step)[0]
                            for network, optimizer, batch in zip(networks, optimizers, batches, strict=True))
        assert float(to_host(actual)) == pytest.approx(expected, rel=1e-12)
    for got, want in ((networks[0].parameters, networks[1].parameters),
                      (networks[0].statistics, networks[1].statistics)):
        for name, array in want.items():
            np.testing.assert_allclose(where.to_host(got[name]), array, rtol=1e-9, atol=1e-12, err_msg=name)
    for key, array in optimizers[1].state().items():
        np.testing.assert_allclose(to_host(optimizers[0].state()[key]), array, rtol=1e-9, atol=1e-12)


@KERNEL_PLACES
@pytest.mark.parametrize("product", PRODUCTS.args[1][1:], ids=PRODUCTS.kwargs["ids"][1:])
def test_two_training_steps_are_bit_equal_whatever_the_order_of_threads(place, product):
    where, results = place(), []
    for _ in range(2):                          # the emulator takes another order for every launch
        network, optimizer = StemNet(3, 2, 8, seed=1).to(backend_at(place)), Momentum(0.1)
        x, labels = (array[:, :, :8] for array in cases.batch(0))
        batch = Buffers(where.to_device(x.astype(np.float32)), where.to_device(labels.astype(np.uint8)))
        with computing(place, *product):
            training_step(network, optimizer, batch, Objective.of(Settings(), 10), 0)
        results.append([where.to_host(array).tobytes() for array in network.parameters.values()])
    assert results[0] == results[1]
