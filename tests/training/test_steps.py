"""Steps that are recorded and repeated are the same as steps started kernel by kernel."""

from unittest import mock

import cases
import numpy as np
import pytest
from places import KERNEL_PLACES

from stemnet_ref.backends.cuda.device import to_host
from stemnet_ref.optimizers import Adam, Momentum, staircase
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.step import Steps, StepsOnGpu


def trained(where, make, steps_of, shapes=(None,), rounds=5, l2=0.0, **alternatives):
    """Return the parameters' bytes after some steps, and what came of each."""
    network, optimizer = cases.small_network(**alternatives).to(where), make()
    steps = steps_of(network, optimizer, Settings.from_options({"l2": l2}), 10)
    arrays, results = {}, []
    for step in range(rounds):
        optimizer.learning_rate = staircase(0.1, 0.5, step // 2)
        shape = shapes[step % len(shapes)]
        x, labels = (array[:, :shape] for array in cases.batch(step))
        if shape not in arrays:
            arrays[shape] = where.to_device(x), where.to_device(labels.astype(np.uint8))
        for array, values in zip(arrays[shape], (x, labels), strict=True):
            copy_into(array, np.ascontiguousarray(values.astype(array.dtype)))
        steps.run(*arrays[shape], step)
        results += steps.take() if step % 2 else []
    results += steps.take()
    assert len(results) == rounds
    arrays = [*network.parameters.values(), *network.statistics.values()]
    return [to_host(array).tobytes() for array in arrays], results


def copy_into(array, values):
    """Change an array of the device, as the next batch does."""
    if hasattr(array, "set"):                                   # CuPy's
        array.set(values)
    else:
        np.copyto(array.view(np.ndarray), values)


def recorded(where, tell=print):
    return lambda *of: StepsOnGpu(*of, where, tell)


@KERNEL_PLACES
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("make", [lambda: Momentum(0.1), lambda: Adam(0.1), lambda: Adam(0.1, form="tensorflow")],
                         ids=["momentum", "adam", "adam_tensorflow"])
def test_repeated_steps_are_bit_equal_to_started_ones(place, make, l2):
    """Inputs, learning rate, Adam's corrections and dropout masks change from step to step."""
    where = place()
    assert trained(where, make, recorded(where), l2=l2) == trained(where, make, Steps, l2=l2)


@KERNEL_PLACES
@pytest.mark.parametrize("alternatives", [{"normalisation": "batch"}, {"activation": "sigmoid"}], ids=str)
def test_repeated_steps_of_the_alternatives_are_bit_equal_too(place, alternatives):
    """Dropout masks are drawn by a kernel of their own, and running statistics change from step to step."""
    where = place()
    both = [trained(where, lambda: Momentum(0.1), of, **alternatives) for of in (recorded(where), Steps)]
    assert both[0] == both[1]


@KERNEL_PLACES
def test_batches_of_another_shape_have_a_record_of_their_own(place):
    where = place()
    both = [trained(where, lambda: Momentum(0.1), of, (None, None, 4), 8) for of in (recorded(where), Steps)]
    assert both[0] == both[1]


@KERNEL_PLACES
def test_the_kernels_are_started_once_to_run_and_once_to_record(place):
    where, started = place(), []
    find = where.function

    def watched(stem, name, *options):
        started.append(name)
        return find(stem, name, *options)

    with mock.patch.object(where, "function", watched):
        steps = trained(where, lambda: Momentum(0.1), recorded(where), rounds=5)
    assert steps
    assert started.count("momentum_thesis") == 2
    assert started.count("keep") == started.count("write_schedule") == 5


@KERNEL_PLACES
def test_where_a_step_cannot_be_recorded_it_is_started(place):
    where, told = place(), []
    with mock.patch.object(where, "record", side_effect=RuntimeError("capture is not allowed")):
        found = trained(where, lambda: Adam(0.1), recorded(where, told.append))
    assert found == trained(where, lambda: Adam(0.1), Steps)
    assert len(told) == 1
    assert "capture is not allowed" in told[0]
