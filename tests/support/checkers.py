"""Checkers shared by the tests: gradients by central differences, float32 by the rounding bound."""

from functools import wraps
from zlib import crc32

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

STEP = 6e-6                                                 # cube root of float64's epsilon
SEED = st.integers(0, 2 ** 32 - 1)


def assert_gradient(f, x, dx, dy=1.0, rtol=1e-7, atol=1e-9, name="dx"):
    """Assert dx = d<dy, f(x)>/dx, element by element, by central differences in float64.

    `atol` is what rounding leaves of a difference of values near 1: 2e-16 / 6e-6, times the terms of the sum.
    """
    assert x.dtype == dx.dtype == np.float64, f"{name} is {dx.dtype}, x {x.dtype}; both must be float64"
    assert x.shape == dx.shape, f"{name} has shape {dx.shape}; x has {x.shape}"
    for at in np.ndindex(x.shape):
        hi, lo = x.copy(), x.copy()
        hi[at] += STEP
        lo[at] -= STEP
        numeric = np.vdot(dy, np.subtract(f(hi), f(lo))) / (hi[at] - lo[at])
        assert abs(dx[at] - numeric) <= atol + rtol * abs(numeric), (
            f"{name}{list(at)}: backward {dx[at]:.9e}, finite difference {numeric:.9e}")


def assert_gradient_along_directions(f, x, dx, dy=1.0, rtol=1e-7, atol=1e-9, step=STEP, name="dx"):
    """Assert <dx, v> = d<dy, f(x)> along three directions v of random signs, by central differences in float64.

    Every element counts in every direction, so that one wrong element is noticed for certain, and two whose errors
    cancel with probability 7/8. `rtol` is relative to the norm of dx, which is the standard deviation of <dx, v>.
    """
    assert x.dtype == dx.dtype == np.float64, f"{name} is {dx.dtype}, x {x.dtype}; both must be float64"
    assert x.shape == dx.shape, f"{name} has shape {dx.shape}; x has {x.shape}"
    rng = np.random.default_rng(crc32(x.tobytes()))             # other directions for every x, the same in a rerun
    for _ in range(3):
        v = rng.choice([-1.0, 1.0], x.shape)
        hi, lo = x + step * v, x - step * v
        numeric = np.vdot(dy, np.subtract(f(hi), f(lo))) / (2 * step)
        backward = np.vdot(dx, v)
        assert abs(backward - numeric) <= atol + rtol * np.linalg.norm(dx), (
            f"<{name}, v>: backward {backward:.9e}, finite difference {numeric:.9e}")


def gradient_cases(**values):
    """Return a decorator: the test runs over random shapes along directions, and over one shape element by element.

    Parameters
    ----------
    **values
        For each argument of the test its strategy, and its value where every element is checked. The test also takes
        `seed` and `check`, which is `assert_gradient` or `assert_gradient_along_directions`.
    """
    random = {name: strategy for name, (strategy, _) in values.items()}
    once = {name: value for name, (_, value) in values.items()}

    def decorate(test):
        @wraps(test)
        def checked(check, **arguments):
            try:
                test(check=check, **arguments)
            except UnsatisfiedAssumption:
                assert check is not assert_gradient, f"{arguments} break an assumption: nothing is checked with them"
                raise

        return example(seed=0, check=assert_gradient, **once)(
            given(seed=SEED, check=st.just(assert_gradient_along_directions), **random)(checked))

    return decorate


def assert_within_rounding(got, exact, magnitude, terms):
    """Assert that a float32 result is as near to the exact one as `terms` roundings allow.

    `exact` is computed in float64, `magnitude` by the same layer on the absolute values of its inputs.
    """
    assert got.dtype == np.float32
    assert got.shape == exact.shape
    allowed = terms * np.finfo(got.dtype).eps * magnitude
    assert np.all(abs(got - exact) <= allowed), (
        f"worst error is {np.max(abs(got - exact) / allowed):.1f} times the rounding bound")


def away_from_zero(rng, shape):
    """Return normal numbers none of which is nearer to 0 than a finite difference reaches."""
    x = rng.standard_normal(shape)
    return x + np.copysign(1e-3, x)


def all_different(rng, shape):
    """Return numbers no two of which are nearer to each other than a finite difference reaches."""
    return rng.permutation(np.prod(shape)).reshape(shape) * 0.01 - 0.3


def assert_halo(network):
    """Assert that `halo` is exactly what an aligned cell of outputs sees; the network has one channel and feature."""
    for name, array in network.parameters.items():
        array[:] = 1.0 if name.endswith("weight") else 0.0      # all ones: no ReLU cuts a path off
    before, after = network.halo()
    cell = network.size_divisor
    side = -(-(2 * max(before, after) + 3 * cell) // cell) * cell
    start = side // 2 // cell * cell
    seen = np.zeros((side, side), bool)
    for row in range(side):                                     # a pixel that outputs of the cell see changes them
        x = np.zeros((1, side, side, 1))
        x[0, row, start] = 1
        z, _ = network.forward(x, with_cache=False)
        seen[row] = np.any(z[0, start:start + cell, start:start + cell, 0])
    rows = np.flatnonzero(seen[:, 0])
    assert rows[0] == start - before
    assert rows[-1] == start + cell - 1 + after
