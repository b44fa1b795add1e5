"""The CPU's work on several threads: what is divided, errors in it, and arrays of every kind."""

import os
import subprocess
import sys
from itertools import pairwise
from threading import Barrier

import numpy as np
import pytest
from checkers import SEED
from hypothesis import given
from hypothesis import strategies as st

from stemnet_ref.backends.cpu import bias, block, conv2d, dropout, jobs, max_pool2d, threads


def layouts(array):
    """Yield equal arrays that lie in memory in other ways."""
    yield np.asfortranarray(array)
    yield np.ascontiguousarray(array[:, ::-1])[:, ::-1]
    yield np.ascontiguousarray(array.swapaxes(1, 2)).swapaxes(1, 2)
    fixed = array.copy()
    fixed.flags.writeable = False
    yield fixed


@pytest.mark.parametrize(("dtype", "side"), [(np.float32, 32), (np.float32, 6), (np.float64, 6)])
def test_arrays_may_lie_in_memory_as_they_like(dtype, side):
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((2, side, side, 5)).astype(dtype) for _ in range(2))
    weight, b = rng.standard_normal((5, 5, 5, 5)).astype(dtype), rng.standard_normal(5).astype(dtype)

    def everything(x, weight, dy):
        y, saved = block.forward((x,), weight, b, keep_prob=0.75)
        up, saved_up = block.forward((x,), weight[:2, :2], b, "deconv")
        gradients = block.backward(dy, saved, weight)
        gradients_up = block.backward(up, saved_up, weight[:2, :2])
        pooled, argmax = max_pool2d.forward(x)
        return [y, *gradients[0], *gradients[1:3], conv2d.forward(x, weight),
                *conv2d.backward(dy, x, weight), up, *gradients_up[0], *gradients_up[1:3],
                pooled, max_pool2d.backward(pooled, argmax),
                *bias.backward(dy)]

    expected = everything(x, weight, dy)
    for found in map(everything, layouts(x), layouts(weight), layouts(dy)):
        for f, e in zip(found, expected, strict=True):
            # sums of up to 2,048 products, perhaps in another order
            np.testing.assert_allclose(f, e, rtol=0, atol=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("band_bytes", [1, 3000, 1 << 30])
def test_conv2d_does_not_depend_on_the_bands(monkeypatch, band_bytes):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 9, 6, 3)), rng.standard_normal((5, 5, 3, 4))
    dy = rng.standard_normal((2, 9, 6, 4))
    wanted = (conv2d.forward(x, weight), *conv2d.backward(dy, x, weight))
    monkeypatch.setattr(conv2d, "BAND_BYTES", band_bytes)
    for got, want in zip((conv2d.forward(x, weight), *conv2d.backward(dy, x, weight)), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_empty_batches_have_gradients_of_zero():
    x, weight, b = np.zeros((0, 8, 8, 3), np.float32), np.ones((5, 5, 3, 4), np.float32), np.ones(4, np.float32)
    y, saved = block.forward((x,), weight, b)
    _, dweight, db, _ = block.backward(y, saved, weight)
    for found, shape in ((dweight, (5, 5, 3, 4)), (db, (4,)), (bias.backward(y)[1], (4,))):
        assert (found.shape, found.dtype, np.any(found)) == (shape, np.float32, False)


@pytest.mark.parametrize("side", [4, 512])
@pytest.mark.parametrize(("keep_prob", "key", "culprit"), [
    (-0.5, (0, 0, 0), "keep_prob=-0.5"), (0, (0, 0, 0), "keep_prob=0"), (1.5, (0, 0, 0), "keep_prob=1.5"),
    (0.5, (-1, 0, 0), "seed=-1")])
def test_dropout_is_checked_in_maps_of_every_size(side, keep_prob, key, culprit):
    with pytest.raises(ValueError, match=culprit):
        block.forward((np.ones((1, side, side, 1), np.float32),), np.ones((1, 1, 1, 5), np.float32),
                      np.ones(5, np.float32), keep_prob=keep_prob, key=key)


@given(SEED, st.integers(0, 100), st.integers(1, 100))
def test_a_part_of_a_mask_is_a_part_of_the_generators_words(seed, start, count):
    philox = np.random.Philox(key=np.array([seed, 3], np.uint64), counter=np.array([0, 7, 0, 0], np.uint64))
    numbers = philox.random_raw(64).view("<u2")[start:start + count]
    np.testing.assert_array_equal(dropout.draw_elements(start, count, 0.75, seed, 7, 3), numbers < 49152)


def test_work_is_shared_and_an_error_in_it_arrives(monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 3)
    threads._pool.cache_clear()
    meet = Barrier(3, timeout=20).wait                                      # raises an error where no three come
    assert sorted(threads.share(lambda job: meet(), range(3))) == [0, 1, 2]
    with np.errstate(over="raise"):
        assert threads.share(lambda job: (job, np.geterr()["over"]), range(5)) == [(job, "raise") for job in range(5)]
        with pytest.raises(FloatingPointError):
            threads.share(lambda job: np.float32(1e30) * np.float32(1e30), range(3))
    with pytest.raises(ZeroDivisionError):
        threads.share(lambda job: 1 // job, range(3))
    with pytest.raises(IndexError):
        threads.share(lambda job: [][job], range(3))
    assert threads.share(lambda job: threads.share(lambda each: (job, each), range(4)), range(9)) == [
        [(job, each) for each in range(4)] for job in range(9)]
    threads._pool.cache_clear()


# Prints BLAS's threads: at first, of two callers in turn within what they share, also nested, and at last.
CALLERS = """
import threading
from stemnet_ref.backends.cpu import threads
def of_blas():
    return max(each["num_threads"] for each in threads._blas().info() if each["user_api"] == "blas")
found = [of_blas()]
def call():
    for _ in range(50):
        found.extend(sum(threads.share(lambda job: threads.share(lambda each: of_blas(), range(2)), range(3)), []))
callers = [threading.Thread(target=call) for _ in range(2)]
for each in callers: each.start()
call()
for each in callers: each.join()
print(found[0], *{*found[1:]}, of_blas())
"""


def test_blas_has_one_thread_within_and_gets_its_own_back():
    done = subprocess.run([sys.executable, "-c", CALLERS], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "2"})
    assert done.stdout == "2 1 2\n", done.stderr


def test_the_callers_handling_of_errors_holds_in_every_thread(monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 3)
    threads._pool.cache_clear()
    seen, meet = [], Barrier(3, timeout=20).wait
    with np.errstate(over="call", call=lambda kind, flag: seen.append(kind)):
        threads.share(lambda job: (meet(), np.float32(1e30) * np.float32(1e30)), range(9))
    assert len(seen) == 9
    threads._pool.cache_clear()


def test_after_an_error_nothing_more_is_begun(monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 1)
    begun = []

    def work(job):
        begun.append(job)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        threads.share(work, range(9))
    assert begun == [0]


@given(st.lists(st.integers(1, 70), min_size=1, max_size=3), st.integers(1, 9))
def test_every_channel_of_every_band_is_in_one_job(channels, count):
    arrays = [np.zeros((1, 1, 1, c)) for c in channels]
    found = []
    for parts, whole, mine in jobs.divide(arrays, list(range(count))):
        assert (parts[0][2].start, parts[-1][2].stop) == (whole.start, whole.stop)
        for array, part, columns in parts:
            assert part.stop - part.start == columns.stop - columns.start
            which = next(i for i, each in enumerate(arrays) if each is array)
            assert columns.start == part.start + sum(channels[:which])
            found += [(column, band) for column in range(columns.start, columns.stop) for band in mine]
        assert all(a[2].stop == b[2].start for a, b in pairwise(parts))
    assert sorted(found) == [(column, band) for column in range(sum(channels)) for band in range(count)]
