"""Fast convolutions on a CPU: exactly the direct ones in float64, within the rounding bound in float32."""


import numpy as np
import pytest
from checkers import SEED, assert_within_rounding
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from stemnet_ref.backends.cpu import conv2d, threads, winograd

SIDE = st.integers(1, 30)
CHANNELS = st.integers(1, 40)


def conv(way, x, weight, dy, pads):
    """Return y, dx and dweight by the functions of a module; input and output divided in two where they can be."""
    def halves(array):
        half = array.shape[3] // 2
        return [np.ascontiguousarray(part) for part in (array[..., :half], array[..., half:]) if part.size]

    back = [(side - 1 - before, side - 1 - after) for side, (before, after) in zip(weight.shape, pads, strict=False)]
    y, dx, dweight = halves(np.empty_like(dy)), halves(np.empty_like(x)), np.empty_like(weight)
    for out in (*y, *dx, dweight):
        out[...] = np.nan
    way.correlate(halves(x), weight, pads, y)
    way.correlate([dy], weight, back, dx, flipped=True)
    way.weight_gradient(halves(x), dy, pads, dweight)
    return np.concatenate(y, axis=3), np.concatenate(dx, axis=3), dweight


@given(SEED, st.integers(1, 2), SIDE, SIDE, CHANNELS, CHANNELS, st.integers(2, 7), st.integers(2, 7), st.data())
@example(0, 1, 32, 32, 33, 65, 5, 5, None)
@example(0, 1, 8, 200, 3, 3, 5, 5, None)
def test_it_is_the_direct_sum(seed, n, ho, wo, c, o, kh, kw, data):
    rng = np.random.default_rng(seed)
    pads = [(2, 2), (2, 2)]
    if data:
        pads = [data.draw(st.tuples(st.integers(0, side - 1), st.integers(0, side - 1))) for side in (kh, kw)]
    h, w = (max(1, out + side - 1 - sum(pad)) for out, side, pad in zip((ho, wo), (kh, kw), pads, strict=True))
    x, weight = rng.standard_normal((n, h, w, c)), rng.standard_normal((kh, kw, c, o))
    dy = rng.standard_normal((n, h + sum(pads[0]) - kh + 1, w + sum(pads[1]) - kw + 1, o))
    for found, exact in zip(conv(winograd, x, weight, dy, pads), conv(conv2d, x, weight, dy, pads), strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12 * max(1, np.max(abs(exact))))


@pytest.mark.parametrize(("n", "h", "w", "c", "o", "k"), [
    (1, 16, 16, 4, 4, 5), (1, 40, 36, 5, 16, 5), (1, 64, 64, 32, 16, 5), (2, 33, 31, 16, 40, 3),
    (1, 64, 64, 12, 16, 3), (1, 16, 16, 256, 64, 5), (1, 160, 150, 12, 2, 6), (1, 100, 100, 3, 8, 6)])
@pytest.mark.parametrize("kind", ["normal", "positive", "far from zero"])
def test_it_stays_within_the_rounding_bound(n, h, w, c, o, k, kind):
    rng = np.random.default_rng(0)
    x, weight, dy = (rng.standard_normal(shape) for shape in ((n, h, w, c), (k, k, c, o), (n, h, w, o)))
    if kind == "positive":
        x, weight, dy = abs(x), abs(weight), abs(dy)
    elif kind == "far from zero":
        x, dy = x + 100, dy - 100
    x32, weight32, dy32 = (array.astype(np.float32) for array in (x, weight, dy))
    x, weight, dy = (array.astype(float) for array in (x32, weight32, dy32))
    pads, all_terms = [((k - 1) // 2, k // 2)] * 2, (k * k * c, k * k * o, n * h * w)
    found = conv(conv2d, x32, weight32, dy32, pads)
    exact, size = conv(conv2d, x, weight, dy, pads), conv(conv2d, abs(x), abs(weight), abs(dy), pads)
    for got, want, bound, terms in zip(found, exact, size, all_terms, strict=True):
        assert_within_rounding(got, want, bound, terms)


@pytest.mark.parametrize(("k", "most"), [(3, (10, 10, 20)), (5, (15, 15, 30)), (6, (15, 15, 40))])
def test_errors_are_so_many_times_those_of_direct_sums(monkeypatch, k, most):
    """In the mean square, on normal random numbers; what the module's docstring says, with room for chance."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 1, 64, 64, 16), np.float32)
    weight = rng.standard_normal((k, k, 16, 16), np.float32)
    pads, wide = [((k - 1) // 2, k // 2)] * 2, [array.astype(float) for array in (x, weight, dy)]
    exact, fast = conv(conv2d, *wide, pads), conv(conv2d, x, weight, dy, pads)
    monkeypatch.setattr(winograd, "use_winograd", lambda *arguments: False)
    direct = conv(conv2d, x, weight, dy, pads)
    for e, f, d, limit in zip(exact, fast, direct, most, strict=True):
        assert 1 < np.std(f - e) / np.std(d - e) < limit


@pytest.mark.parametrize("kind", ["hot pixel", "edge", "sparse"])
def test_errors_go_by_the_largest_numbers_in_a_tile(kind):
    rng = np.random.default_rng(0)
    x, weight = rng.random((1, 64, 64, 16), np.float32), rng.standard_normal((5, 5, 16, 16), np.float32)
    if kind == "hot pixel":
        x[0, 20, 30] = 1e5
    elif kind == "edge":
        x[:, :, 32:] *= 1000
    else:
        x *= rng.random(x.shape) < 0.01
    exact = conv2d.forward(x.astype(float), weight.astype(float))
    size = conv2d.forward(abs(x).astype(float), abs(weight).astype(float))
    around = np.max(sliding_window_view(np.pad(size, ((0, 0), (7, 7), (7, 7), (0, 0))), (15, 15), axis=(1, 2)),
                    axis=(3, 4, 5), keepdims=True)[..., 0, 0]
    assert_within_rounding(conv2d.forward(x, weight), exact, np.broadcast_to(around, exact.shape), 25 * 16)


@pytest.mark.parametrize(("dtype", "side", "c", "k", "ways"), [
    (np.float64, 64, 16, 5, []), (np.float32, 4, 16, 5, []), (np.float32, 64, 1, 5, ["weight_gradient"]),
    (np.float32, 64, 16, 1, []), (np.float32, 64, 16, 7, []),
    (np.float32, 64, 16, 5, ["correlate", "weight_gradient"])])
def test_it_is_taken_in_float32_where_it_pays(monkeypatch, dtype, side, c, k, ways):
    taken = []
    for name in ("correlate", "weight_gradient"):
        monkeypatch.setattr(winograd, name, lambda *arguments, name=name, **more: taken.append(name))
    x, weight = np.ones((1, side, side, c), dtype), np.ones((k, k, c, c), dtype)
    conv2d.forward(x, weight)
    conv2d.backward_weight(x, x, weight.shape)
    assert taken == ways


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("matrix", ["a", "b", "g"])
def test_a_wrong_number_in_a_matrix_is_noticed(monkeypatch, matrix, k):
    right = winograd._matrices
    rng = np.random.default_rng(0)
    x, weight, dy = (rng.standard_normal(shape) for shape in ((1, 9, 9, 2), (k, k, 2, 2), (1, 9, 9, 2)))
    exact = conv(conv2d, x, weight, dy, [(1, k - 2)] * 2)
    for at in zip(*np.nonzero(getattr(right(k, "d"), matrix)), strict=True):
        def wrong(k, dtype, at=at):
            found = {name: array.copy() for name, array in right(k, dtype)._asdict().items()}
            found[matrix][at] *= 1.0001
            return winograd._Matrices(**found)

        monkeypatch.setattr(winograd, "_matrices", wrong)
        found = conv(winograd, x, weight, dy, [(1, k - 2)] * 2)
        assert any(np.max(abs(f - e)) > 1e-9 for f, e in zip(found, exact, strict=True)), at


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, dtype):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((1, 70, 40, 20)).astype(dtype), rng.standard_normal((5, 5, 20, 24)).astype(dtype)
    dy, found = rng.standard_normal((1, 70, 40, 24)).astype(dtype), set()
    monkeypatch.setattr(winograd, "MAX_ELEMENTS", 1 << 12)              # else there is one band, and nothing to divide
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "count", lambda count=count: count)
        threads._pool.cache_clear()
        found.add(b"".join(array.tobytes() for array in conv(conv2d, x, weight, dy, [(2, 2), (2, 2)])))
    threads._pool.cache_clear()
    assert len(found) == 1
