"""Checkers shared by the tests: gradients by central differences, float32 by the rounding bound."""

import numpy as np
from hypothesis import strategies as st

STEP = 6e-6                                                 # cube root of float64's epsilon
SEED = st.integers(0, 2 ** 32 - 1)


def assert_gradient(f, x, dx, dy=1.0, rtol=1e-7, atol=1e-9):
    """Assert dx = d<dy, f(x)>/dx, element by element, by central differences in float64.

    `atol` is what rounding leaves of a difference of values near 1: 2e-16 / 6e-6, times the terms of the sum.
    """
    assert x.dtype == dx.dtype == np.float64
    assert x.shape == dx.shape, f"dx has shape {dx.shape}; x has {x.shape}"
    for at in np.ndindex(x.shape):
        hi, lo = x.copy(), x.copy()
        hi[at] += STEP
        lo[at] -= STEP
        numeric = np.vdot(dy, np.subtract(f(hi), f(lo))) / (hi[at] - lo[at])
        assert abs(dx[at] - numeric) <= atol + rtol * abs(numeric), (
            f"dx{list(at)}: backward {dx[at]:.9e}, finite difference {numeric:.9e}")


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
