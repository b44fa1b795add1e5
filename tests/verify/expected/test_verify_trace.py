"""The network written tensor by tensor is the network: its tensors equal StemNet's and the optimizers'."""

import inspect
import sys

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref import StemNet
from stemnet_ref.network import topology
from stemnet_ref.training.settings import Settings
from stemnet_ref.training.step import make_optimizer
from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS, everywhere
from stemnet_ref.verify.diagnosis.estimates import STARTS
from stemnet_ref.verify.expected.rounding import SINGLE, Held
from stemnet_ref.verify.expected.trace import Trace
from stemnet_ref.verify.golden import keys

OPTIONS = ({}, {"optimizer": "adam"}, {"optimizer": "sgd"}, {"momentum_form": "tensorflow"}, {"preset": "listing"},
           {"optimizer": "adam", "adam_form": "tensorflow"}, {"keep_prob": 1.0}, {"l2": 0.05})


def reference(made):
    """Return the tensors that StemNet and the optimizers give for a golden file's settings."""
    from stemnet_ref.layers import weighted_cross_entropy

    own = {"momentum": ("momentum", "momentum_form"), "adam": ("adam_form",), "sgd": ()}[made.training["optimizer"]]
    settings = Settings.from_options({name: made.training[name] for name in ("optimizer", "learning_rate", *own)})
    network, optimizer, tensors = StemNet(**made.network, dtype=np.float64), make_optimizer(settings), {}
    for name, array in made.parameters.items():
        network.parameters[name] = array
    outputs = {block.name: block.layer_name("relu") if block.weight else block.name for block in network.blocks[:-1]}
    outputs["output"] = "logits"
    for step in range(1, made.steps + 1):
        maps = {}
        z, cache = network.forward(np.asarray(made.input, np.float64), made.training["keep_prob"], made.about["seed"],
                                   step - 1, on_map=maps.__setitem__)
        if step == 1:
            tensors.update({f"1/forward/{outputs[name]}": array for name, array in maps.items() if name != "input"})
        tensors[f"{step}/cost"], p = weighted_cross_entropy.forward(z, made.labels, made.class_weights)
        dlogits = weighted_cross_entropy.backward(p, made.labels, made.class_weights)
        gradients = network.backward(dlogits, cache)
        tensors.update({f"{step}/gradient/{name}": gradient.copy() for name, gradient in gradients.items()})
        for name, w in network.parameters.items():
            if name.endswith("weight"):
                gradients[name] = gradients[name] + made.training["weight_decay"] * w
        optimizer.learning_rate = made.training["learning_rate"] * made.training["decay_rate"] ** ((step - 1) // 2)
        optimizer.update(network.parameters, gradients)
        tensors.update({f"{step}/parameter/{name}": w.copy() for name, w in network.parameters.items()})
    return tensors


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_the_network_and_the_optimizers(options):
    made = small_golden(float64=True, **options)
    tensors = reference(made)
    assert tensors.keys() <= made.arrays.keys()
    assert len(tensors) > 5 * 30
    for key, array in tensors.items():
        np.testing.assert_allclose(made.arrays[key], array, rtol=1e-9, atol=1e-12, err_msg=key)


def test_a_convention_changes_the_tensors():
    made = small_golden(float64=True)
    flipped = Trace(made, conventions=frozenset({Held("kernel_flipped", frozenset({"up1"}))}))
    same, other = "1/forward/down2.relu", "1/forward/up1.conv"
    np.testing.assert_allclose(flipped.computed(same).value.array, made.arrays[same], rtol=1e-12)
    assert not np.allclose(flipped.computed(other).value.array, made.arrays[other])


def test_a_deep_network_does_not_exhaust_the_stack():
    made = small_golden((64, 64), 1, 1, levels=7, features=1)
    frames, limit = len(inspect.stack()), sys.getrecursionlimit()
    sys.setrecursionlimit(frames + 60)
    try:
        found = Trace(made).computed("1/parameter/down0.conv.weight")
    finally:
        sys.setrecursionlimit(limit)
    np.testing.assert_array_equal(found.value.array.astype(np.float32), made.arrays["1/parameter/down0.conv.weight"])


def test_tensors_that_are_given_are_taken():
    made = small_golden(float64=True)
    given = {"1/forward/down1.relu": 2 * made.arrays["1/forward/down1.relu"]}
    trace = Trace(made, given)
    np.testing.assert_array_equal(trace.value("1/forward/down1.pool").array, 2 * made.arrays["1/forward/down1.pool"])
    np.testing.assert_array_equal(trace.computed("1/forward/down1.relu").value.array,
                                  made.arrays["1/forward/down1.relu"])


def test_says_what_could_change_a_tensor():
    trace = Trace(small_golden(), unit=SINGLE)
    consulted = trace.computed("1/forward/down0.conv").consulted
    assert {"kernel_flipped", "input_raw", "tf32"} <= consulted
    assert not {"concat_swapped", "cost_summed", "padding_other_side"} & consulted
    assert {"kernel_flipped", "concat_swapped", "cost_summed"} <= trace.computed("1/cost").consulted
    assert trace.computed("1/forward/down0.conv").consulted == consulted        # a value, whatever is asked for later


@pytest.mark.parametrize(("options", "names"), [
    ({}, [name for name in CONVENTIONS if not name.startswith(("adam", "weight_decay"))]),
    ({"optimizer": "adam", "l2": 0.05}, [name for name in CONVENTIONS if name.startswith(("adam", "weight_decay"))])],
    ids=["momentum", "adam"])
def test_what_a_trace_shares_with_another_is_what_it_would_compute(options, names):
    """So what is consulted for a tensor names every convention that can change it."""
    made = small_golden((4, 4), 2, 2, levels=2, **options)
    base = Trace(made, unit=SINGLE)
    before = base
    for key in keys(made):
        base.computed(key)
    for number, name in enumerate(names):
        starts = {**STARTS, "weights_other": [(1.0, 5.0)]}
        held = (everywhere(name) or [Held(name, value=starts.get(name, (0.1,))[0])])[-1]
        conventions = frozenset({held._replace(layers=None if number % 2 else frozenset({"up0"}))})
        shared, alone = base.under(conventions), Trace(made, unit=SINGLE, conventions=conventions)
        for key in keys(made):
            found, wanted = shared.computed(key), alone.computed(key)
            np.testing.assert_equal(found.value, wanted.value, err_msg=f"{name}: {key}")
            assert found.consulted == wanted.consulted, (name, key)
        if number % 8 == 1:                                 # two share with each of them
            both = conventions | before.conventions
            shared_of_two, alone = base.under(both, [shared, before]), Trace(made, unit=SINGLE, conventions=both)
            for key in keys(made):
                np.testing.assert_equal(shared_of_two.computed(key).value, alone.computed(key).value)
        before = shared


def test_every_parameter_has_a_layer_and_every_tensor_a_key():
    made = small_golden()
    assert {layer.parameter for layer in topology.list_layers(made.blocks)} - {None} == made.parameters.keys()
    assert set(keys(made)) == {key for key in made.arrays if "/" in key and "/mask/" not in key} | {"input"}


@pytest.mark.parametrize("options", OPTIONS[:5], ids=str)
def test_gradients_are_those_of_finite_differences(options):
    """By activations too: the cost is moved by moving one element of a tensor that is given."""
    made = small_golden((8, 8), 1, 1, float64=True, **options)
    rng, steps = np.random.default_rng(0), 0
    for name in (layer.name for layer in topology.list_layers(made.blocks)):
        if name == "probabilities" or name.endswith((".dropout",)):
            continue
        tensor = made.arrays[f"1/forward/{name}"]
        gradient = made.arrays[f"1/backward/{name}"]
        for _ in range(3):
            at = tuple(int(rng.integers(side)) for side in tensor.shape)
            costs = []
            for sign in (1, -1):
                moved = tensor.copy()
                moved[at] += sign * 1e-6
                costs.append(float(Trace(made, {f"1/forward/{name}": moved}).computed("1/cost").value.array))
            numeric = (costs[0] - costs[1]) / 2e-6
            if abs(numeric - gradient[at]) > 1e-7 + 1e-5 * abs(numeric):        # unless a kink is between
                between = abs(tensor[at]) < 1e-5
                assert between, (name, at, numeric, gradient[at])
            steps += 1
    assert steps > 60
