"""Fast convolutions on a CPU: exactly the direct ones in float64, within the rounding bound in float32."""

from itertools import pairwise

import numpy as np
import pytest
from checkers import SEED, assert_within_rounding
from hypothesis import example, given
from hypothesis import strategies as st

from stemnet_ref.layers import _threads, _winograd, conv2d

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
    dy = rng.standard_normal(conv2d._output_shape(x.shape, weight.shape, pads))
    for found, exact in zip(conv(_winograd, x, weight, dy, pads), conv(conv2d, x, weight, dy, pads), strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12 * max(1, np.max(abs(exact))))


@pytest.mark.parametrize(("n", "h", "w", "c", "o", "k"), [
    (1, 16, 16, 4, 4, 5), (1, 40, 36, 5, 16, 5), (1, 64, 64, 32, 16, 5), (2, 33, 31, 16, 40, 3),
    (1, 16, 16, 256, 64, 5), (1, 160, 150, 12, 2, 6), (1, 100, 100, 3, 8, 6)])
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


def test_it_is_taken_in_float32_where_it_pays(monkeypatch):
    taken = []
    for name in ("correlate", "weight_gradient"):
        monkeypatch.setattr(_winograd, name, lambda *arguments, name=name, **more: taken.append(name))
    for dtype, side, c, k in ((np.float64, 64, 16, 5), (np.float32, 4, 16, 5), (np.float32, 64, 1, 5),
                              (np.float32, 64, 16, 1), (np.float32, 64, 16, 5)):
        x, weight = np.ones((1, side, side, c), dtype), np.ones((k, k, c, c), dtype)
        taken.clear()
        conv2d.forward(x, weight)
        conv2d.backward_weight(x, x, weight.shape)
    assert taken == ["correlate", "weight_gradient"]


@pytest.mark.parametrize("matrix", ["a", "b", "g"])
def test_a_wrong_number_in_a_matrix_is_noticed(monkeypatch, matrix):
    right = _winograd._matrices

    def wrong(k, dtype):
        found = {name: array.copy() for name, array in right(k, dtype)._asdict().items()}
        found[matrix][2, 1] *= 1.0001
        return _winograd._Matrices(**found)

    monkeypatch.setattr(_winograd, "_matrices", wrong)
    with pytest.raises(AssertionError):
        test_it_is_the_direct_sum.hypothesis.inner_test(0, 1, 16, 16, 4, 4, 5, 5, None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, dtype):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((1, 70, 40, 20)).astype(dtype), rng.standard_normal((5, 5, 20, 24)).astype(dtype)
    dy, found = rng.standard_normal((1, 70, 40, 24)).astype(dtype), set()
    for threads in (1, 2, 5):
        monkeypatch.setattr(_threads, "count", lambda threads=threads: threads)
        _threads._pool.cache_clear()
        found.add(b"".join(array.tobytes() for array in conv(conv2d, x, weight, dy, [(2, 2), (2, 2)])))
    _threads._pool.cache_clear()
    assert len(found) == 1


def test_work_is_shared_and_an_error_in_it_arrives(monkeypatch):
    monkeypatch.setattr(_threads, "count", lambda: 3)
    _threads._pool.cache_clear()
    with np.errstate(over="raise"):
        assert _threads.share(lambda job: (job, np.geterr()["over"]), range(5)) == [(job, "raise") for job in range(5)]
        with pytest.raises(FloatingPointError):
            _threads.share(lambda job: np.float32(1e30) * np.float32(1e30), range(3))
    with pytest.raises(ZeroDivisionError):
        _threads.share(lambda job: 1 // job, range(3))
    with pytest.raises(IndexError):
        _threads.share(lambda job: [][job], range(3))
    assert _threads.share(lambda job: _threads.share(lambda each: (job, each), range(4)), range(9)) == [
        [(job, each) for each in range(4)] for job in range(9)]
    _threads._pool.cache_clear()


@pytest.mark.parametrize("nested", [False, True])
def test_blas_gets_its_threads_back(nested):
    def threads():
        return [library["num_threads"] for library in _threads._blas().info() if library["user_api"] == "blas"]

    with _threads._blas().limit(limits=2, user_api="blas"):
        inside = _threads.share(lambda job: _threads.share(lambda each: threads(), range(2)) if nested else threads(),
                                range(2))
        assert set(np.ravel(inside)) == {1}
        assert threads() == [2]


def test_after_an_error_nothing_more_is_begun(monkeypatch):
    monkeypatch.setattr(_threads, "count", lambda: 1)
    begun = []

    def work(job):
        begun.append(job)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _threads.share(work, range(9))
    assert begun == [0]


@given(st.lists(st.integers(1, 70), min_size=1, max_size=3), st.integers(1, 9))
def test_every_channel_of_every_band_is_in_one_job(channels, count):
    arrays = [np.zeros((1, 1, 1, c)) for c in channels]
    found = []
    for parts, bands in _threads.divide(arrays, list(range(count))):
        for array, part, columns in parts:
            assert part.stop - part.start == columns.stop - columns.start
            which = next(i for i, each in enumerate(arrays) if each is array)
            assert columns.start == part.start + sum(channels[:which])
            found += [(column, band) for column in range(columns.start, columns.stop) for band in bands]
        assert all(a[2].stop == b[2].start for a, b in pairwise(parts))
    assert sorted(found) == [(column, band) for column in range(sum(channels)) for band in range(count)]
