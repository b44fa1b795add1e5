"""Dispatch: which code computes with an array, and what it refuses."""

import itertools
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from stemnet_ref import dispatch, layers
from stemnet_ref.dispatch import device_of, operation, owner_of, register, to_device_of, to_host

NUMBERS = itertools.count()


class Remote(np.ndarray):
    """An array of a backend."""


class Strange:
    """An array that no backend has registered."""

    shape, dtype = (2,), np.dtype(float)


class Elsewhere(Strange):
    """An array of another backend."""


@pytest.fixture
def backend(monkeypatch):
    """A package that computes with Remote, and one with Elsewhere; the calls that the first one got."""
    calls = []

    def shifted(x, by=1, *, more=()):
        calls.append((x, by, more))
        return "there"

    name = f"backend_{next(NUMBERS)}"                           # an operation keeps the functions that it has found
    package, module = ModuleType(name), ModuleType(f"{name}.test_dispatch")
    module.shifted = shifted
    for each in (package, module):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    monkeypatch.setattr(dispatch, "_registered", {})
    device = SimpleNamespace(to_device=lambda array: array.view(Remote), to_host=lambda array: array.view(np.ndarray))
    register(Remote, name, device)
    register(Elsewhere, "elsewhere", None)
    return SimpleNamespace(calls=calls, device=device)


@operation
def shifted(x, by=1, *, more=()):
    """Return x + by."""
    return x + by


HERE, THERE = np.zeros(2), np.zeros(2).view(Remote)


def test_arrays_of_numpy_are_computed_with_here(backend):
    assert shifted(HERE).tolist() == [1, 1]
    assert shifted(HERE, by=HERE, more=(HERE, None)).tolist() == [0, 0]
    assert shifted(3.5) == 4.5
    assert backend.calls == []


@pytest.mark.parametrize(("arguments", "named"), [
    ((THERE,), {}), ((THERE, np.float32(3)), {}), ((0.0,), {"by": THERE}), ((2,), {"more": (None, (THERE, 1))}),
    (({"a": THERE, "b": None},), {})], ids=str)
def test_arrays_of_a_backend_are_computed_with_there_wherever_they_stand(backend, arguments, named):
    assert shifted(*arguments, **named) == "there"
    (x, by, more), = backend.calls
    assert x is arguments[0]
    assert by is (named.get("by", arguments[1] if len(arguments) > 1 else 1))
    assert more == named.get("more", ())


@pytest.mark.parametrize(("arguments", "culprit"), [
    ((THERE, HERE), "arrays of Remote and ndarray: move them to one device"),
    (((HERE, THERE),), "arrays of Remote and ndarray"), (({"a": HERE, "b": THERE},), "arrays of Remote and ndarray"),
    ((THERE, Elsewhere()), "arrays of Elsewhere and Remote"), ((Strange(),), "Strange: must be an array of NumPy or"),
    ((HERE, Strange()), "arrays of Strange and ndarray")])
def test_mixed_and_unknown_arrays_are_refused(backend, arguments, culprit):
    for call in (shifted, owner_of):
        with pytest.raises(ValueError, match=culprit):
            call(*arguments)
    assert backend.calls == []


@pytest.mark.torch
def test_an_array_of_a_framework_is_refused_by_a_layer():
    import torch

    with pytest.raises(ValueError, match="Tensor: must be an array of NumPy or CuPy"):
        layers.relu.forward(torch.zeros(2))


def test_arrays_are_moved_to_where_another_lies(backend):
    assert to_device_of(HERE, HERE) is to_host(HERE) is HERE
    assert type(to_device_of(THERE, HERE)) is Remote
    assert type(to_host(THERE)) is np.ndarray
    assert device_of(THERE, (THERE, None)) is backend.device
    assert device_of(HERE) is None


def test_an_operation_keeps_its_name_and_its_documentation():
    assert (shifted.__name__, shifted.__doc__) == ("shifted", "Return x + by.")


def test_a_function_that_a_backend_lacks_is_an_error_and_never_falls_back(backend):
    @operation
    def missing(x):
        return x

    assert missing(HERE) is HERE
    with pytest.raises(AttributeError, match="missing"):
        missing(THERE)


def test_two_operations_for_which_a_backend_has_one_place_are_refused():
    shifted, another = (lambda x: x), (lambda x: x)
    for function, name in ((shifted, "shifted"), (another, "another")):
        function.__module__, function.__name__ = "elsewhere.test_dispatch", name
    with pytest.raises(ValueError, match=r"elsewhere.test_dispatch.shifted has the name of an operation of"):
        operation(shifted)
    assert operation(another)(HERE) is HERE
