"""Steps that are recorded and repeated are the same as steps started kernel by kernel."""

from unittest import mock

import cases
import numpy as np
import pytest
from places import KERNEL_PLACES, PLACES, backend_at

from stemnet_ref.backends.buffers import Buffers
from stemnet_ref.backends.cuda import step_state
from stemnet_ref.dispatch import to_host
from stemnet_ref.optimizers import Adam, Momentum, Rates, staircase
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.step import Objective, Steps


def trained(place, make, steps_of, shapes=(None,), rounds=5, l2=0.0, **alternatives):
    """Return the parameters' bytes after some steps, and what came of each."""
    where, network, optimizer = place(), cases.small_network(**alternatives).to(backend_at(place)), make()
    steps = steps_of(network, optimizer, Objective.of(Settings.from_options({"l2": l2}), 10))
    buffers, results = {}, []
    for step in range(rounds):
        optimizer.learning_rate = staircase(0.1, 0.5, step // 2)
        shape = shapes[step % len(shapes)]
        x, labels = (array[:, :shape] for array in cases.batch(step))
        if shape not in buffers:
            arrays = x, labels.astype(np.uint8)
            buffers[shape] = Buffers(*(where.to_device(array) if where else array for array in arrays))
        for array, values in zip(buffers[shape][:2], (x, labels), strict=True):
            copy_into(array, np.ascontiguousarray(values.astype(array.dtype)))
        steps.run(buffers[shape], step)
        results += steps.flush() if step % 2 else []
    results += steps.flush()
    assert len(results) == rounds
    arrays = [*network.parameters.values(), *network.statistics.values()]
    return [to_host(array).tobytes() for array in arrays], results


@PLACES
def test_a_step_is_begun_once_whoever_takes_it(place):
    optimizer = Adam(0.1)
    trained(place, lambda: optimizer, recorded(place), rounds=3)
    assert optimizer.t == 3


def copy_into(array, values):
    """Change an array of the device, as the next batch does."""
    if hasattr(array, "set"):                                   # CuPy's
        array.set(values)
    else:
        np.copyto(array.view(np.ndarray), values)


def recorded(place, log=print):
    return lambda *of: Steps(*of, backend_at(place), log)


@KERNEL_PLACES
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("make", [lambda: Momentum(0.1), lambda: Adam(0.1), lambda: Adam(0.1, form="tensorflow")],
                         ids=["momentum", "adam", "adam_tensorflow"])
def test_repeated_steps_are_bit_equal_to_started_ones(place, make, l2):
    """Inputs, learning rate, Adam's corrections and dropout masks change from step to step."""
    assert trained(place, make, recorded(place), l2=l2) == trained(place, make, Steps, l2=l2)


@KERNEL_PLACES
@pytest.mark.parametrize("alternatives", [{"normalisation": "batch"}, {"activation": "sigmoid"}], ids=str)
def test_repeated_steps_of_the_alternatives_are_bit_equal_too(place, alternatives):
    """Dropout masks are drawn by a kernel of their own, and running statistics change from step to step."""
    both = [trained(place, lambda: Momentum(0.1), of, **alternatives) for of in (recorded(place), Steps)]
    assert both[0] == both[1]


@KERNEL_PLACES
def test_batches_of_another_shape_have_a_record_of_their_own(place):
    both = [trained(place, lambda: Momentum(0.1), of, (None, None, 4), 8) for of in (recorded(place), Steps)]
    assert both[0] == both[1]


@KERNEL_PLACES
def test_the_kernels_are_started_once_to_run_and_once_to_record(place):
    where, started = place(), []
    find = where.function

    def watched(stem, name, *options):
        started.append(name)
        return find(stem, name, *options)

    with mock.patch.object(where, "function", watched):
        steps = trained(place, lambda: Momentum(0.1), recorded(place), rounds=5)
    assert steps
    assert started.count("momentum_thesis") == 2
    assert started.count("keep_result") == started.count("write_step_state") == 5


@KERNEL_PLACES
def test_a_graph_is_repeated_on_its_own_set_of_buffers_only(place):
    """A graph reads the memory it was recorded with: another set of the same shape is a new beginning."""
    where, (x, labels) = place(), cases.batch(0)
    records, record = [], where.record

    def count_and_record(work, *alone):
        records.append(work)
        return record(work, *alone)

    sets = [Buffers(where.to_device(x), where.to_device(labels.astype(np.uint8))) for _ in range(2)]
    same_arrays = Buffers(*sets[1])
    with mock.patch.object(where, "record", count_and_record):
        network, optimizer = cases.small_network().to(backend_at(place)), Momentum(0.1)
        steps = Steps(network, optimizer, Objective.of(Settings(), 10), backend_at(place))
        for step, batch in enumerate([sets[0], sets[0], sets[0], sets[1], sets[0], sets[0], sets[1], same_arrays]):
            steps.run(batch, step)
        assert len(records) == 2                                # at the second and the sixth step
        assert len(steps.flush()) == 8
        for step in range(steps.max_pending):
            steps.run(sets[0], step)
        with pytest.raises(ValueError, match="16 steps were taken since the last flush"):
            steps.run(sets[0], 0)


@KERNEL_PLACES
def test_where_a_step_cannot_be_recorded_it_is_started(place):
    where, told = place(), []
    with mock.patch.object(where, "record", side_effect=RuntimeError("capture is not allowed")):
        found = trained(place, lambda: Adam(0.1), recorded(place, told.append))
    assert found == trained(place, lambda: Adam(0.1), Steps)
    assert len(told) == 1
    assert "capture is not allowed" in told[0]


@KERNEL_PLACES
def test_a_step_reads_its_numbers_from_its_memory_and_no_others(place):
    """A recorded kernel would read other numbers again and again."""
    where = place()
    state = step_state.StepState(where).write(3, Rates(0.1, 0.5))
    with state.use():
        assert step_state.memory_of_number(where, 3) is state.numbers
        assert step_state.memory_of_rates(where, Rates(0.1, 0.5)) is state.numbers
        with pytest.raises(ValueError, match="a step with the number 3 asks for the number 4"):
            step_state.memory_of_number(where, 4)
        with pytest.raises(ValueError, match="asks for the rates"):
            step_state.memory_of_rates(where, Rates(0.2, 0.5))
        state.write(5, Rates(0.3, 0.6))
    after = step_state.memory_of_number(where, 5)
    assert [to_host(array).tolist() for array in (state.numbers, after)] == [[5, 0.3, 0.6], [5, 0, 1]]
    assert after is not state.numbers
