"""Deviations planted in PyTorch are named, alone and beside another, and rounding is not taken for one."""

from dataclasses import FrozenInstanceError
from importlib.util import find_spec

import numpy as np
import pytest
from verifying import deviate, only_costs_and_gradients, small_golden, torch_tensors

from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import golden
from stemnet_ref.verify.compare import compare, compare_layer
from stemnet_ref.verify.diagnosis.conventions import CONVENTIONS, everywhere, others, sentence
from stemnet_ref.verify.diagnosis.layer import diagnose_layer
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.layer import Options, sample_inputs
from stemnet_ref.verify.expected.rounding import Held

if find_spec("torch"):          # else conftest.py leaves these tests out
    from torch.nn import functional
    from torch_deviations import DEVIATIONS, VALUES

    from stemnet_ref.verify.twins import torch_layers

pytestmark = pytest.mark.torch

IN_LAYERS = {"padding_other_side", "filter_channels_swapped", "transposed_crop_other_side", "transposed_crop_at_end",
             *(name for name in CONVENTIONS if name.startswith("batch_norm"))}      # in test_verify_layer.py
OTHER_ROUNDINGS = {"tf32_even", "tf32_truncated"}       # of the same convention, in the same words
PLANTED = [name for name in CONVENTIONS if name not in IN_LAYERS | OTHER_ROUNDINGS]

# What a deviation is planted beside: never one that its own hides, or that is planted at the same line
PARTNERS = dict.fromkeys(PLANTED, "concat_swapped") | {
    name: "decay_every_step" for name in PLANTED if name.startswith("log_")} | {
    **dict.fromkeys(others.CONVENTIONS, "cost_over_weights"), "concat_swapped": "cost_over_weights",
    "bias_missing": "concat_swapped", "tf32": "cost_over_weights",
    "dropout_ignored": "transposed_kernel_flipped",
    "cost_over_weights": "momentum_nesterov", "momentum_nesterov": "dropout_not_rescaled",
    "weight_decay_on_biases": "kernel_flipped", "adam_epsilon_in_root": "filter_axes_transposed",
    "adam_other_epsilon_hat": "decay_ignored", "weight_decay_decoupled": "weight_decay_on_biases",
    "cost_times": "decay_every_step",
    "relu_on_logits": "pool_ties_share", "log_plus_1e-10": "bias_before_dropout", "half": "kernel_flipped",
    "decay_every_step": "half", "momentum_other_form": "decay_every_step", "bfloat16": "input_raw",
    "filters_reshaped": "input_divided_by_255", "momentum_dampening": "decay_not_staircase",
}


def assert_named(comparison, *names, diagnose=diagnose):
    report = diagnose(comparison)
    assert not report.agrees
    assert report.conventions == dict.fromkeys(names), report.diagnoses
    said = [each for each in report.diagnoses if not each.startswith("Or, which these numbers cannot tell apart")]
    assert len(said) == len(names)
    for name in names:
        held = [Held(name, value=VALUES[name])] if name in VALUES else everywhere(name)
        assert {sentence(each, comparison.training) for each in held} & {*said}


@pytest.mark.parametrize("name", PLANTED)
def test_alone(name):
    assert_named(compare(*deviate(name)), name)


@pytest.mark.parametrize("name", PLANTED)
def test_beside_another(name):
    assert_named(compare(*deviate(name, PARTNERS[name])), name, PARTNERS[name])


def test_a_diagnosis_leaves_the_comparison_as_it_is():
    comparison = compare(*deviate("kernel_flipped"))
    verdicts = [row.verdict for row in comparison.rows]
    reports = diagnose(comparison), diagnose(comparison)
    assert "follows" in {row.verdict for row in reports[0].rows}
    assert {*verdicts} == {"agrees", "departs"}
    assert [row.verdict for row in comparison.rows] == verdicts
    assert reports[0].diagnoses == reports[1].diagnoses
    with pytest.raises(FrozenInstanceError):
        reports[0].rows[0].verdict = "follows"
    with pytest.raises(FrozenInstanceError):
        reports[0].known = 1


def test_every_convention_is_planted_somewhere():
    assert {*PLANTED} == DEVIATIONS.keys()
    assert {*CONVENTIONS} > IN_LAYERS | OTHER_ROUNDINGS


@pytest.mark.parametrize("name", ["kernel_flipped", "dropout_not_rescaled", "bias_before_dropout", "concat_swapped",
                                  "cost_over_weights", "weight_plus_one", "momentum_nesterov", "input_not_divided",
                                  "transposed_channels_swapped", "adam_no_bias_correction", "decay_every_step"])
def test_named_from_costs_gradients_and_parameters_alone(name):
    made, given = deviate(name)
    assert_named(compare(made, only_costs_and_gradients(given)), name)


@pytest.mark.parametrize("names", [("cost_over_weights", "tf32"), ("kernel_flipped", "half")])
def test_a_short_format_is_named_beside_another_from_costs_gradients_and_parameters(names):
    made, given = deviate(*names)
    assert_named(compare(made, only_costs_and_gradients(given)), *names)


def test_a_training_that_overflows_does_not_narrow_what_is_named():
    """From step 3 on all is NaN, also the gradients of the biases that are missing, 0 times NaN."""
    assert_named(compare(*deviate("bias_missing", "cost_summed")), "bias_missing", "cost_summed")


def test_one_layer_alone():
    """A kernel is flipped in one layer: the others are not accused."""
    made = small_golden()
    with pytest.MonkeyPatch.context() as patch:
        plain = functional.conv2d
        patch.setattr(functional, "conv2d", lambda x, w, *rest: plain(x, w.flip(2, 3) if w.shape[:2] == (4, 8) else w,
                                                                      *rest))
        report = diagnose(compare(made, torch_tensors(made)))
    assert report.conventions == {"kernel_flipped": ["up1"]}
    assert report.diagnoses[0].startswith("In up1 alone, the kernel is flipped")


def test_two_layers_alone():
    made = small_golden()
    with pytest.MonkeyPatch.context() as patch:
        plain = functional.conv2d
        patch.setattr(functional, "conv2d", lambda x, w, *rest: plain(
            x, w.transpose(2, 3) if w.shape[1] in (2, 4) and w.shape[2] == 5 and w.shape[0] > w.shape[1] else w, *rest))
        report = diagnose(compare(made, torch_tensors(made)))
    assert report.conventions == {"filter_axes_transposed": ["down1", "down2"]}


def test_what_nothing_explains_is_not_explained():
    """Other activations, and a factor that is no convention's."""
    made = small_golden()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "relu", functional.mish)
        report = diagnose(compare(made, torch_tensors(made)))
    assert report.first.key == "1/forward/down0.relu"
    assert report.conventions == {}
    assert "no convention known here explains it" in report.diagnoses[0]
    given = torch_tensors(made)
    given["1/forward/up0.conv"] = given["1/forward/up0.conv"] * np.float32(1.25)
    report = diagnose(compare(made, {key: given[key] for key in ("1/forward/up0.concat", "1/forward/up0.conv")}))
    assert "1.25 times the reference's" in report.diagnoses[0]


def test_numbers_that_are_not_finite_depart():
    made = small_golden()
    given = torch_tensors(made)
    given["1/forward/up1.relu"] = given["1/forward/up1.relu"].copy()
    given["1/forward/up1.relu"][0, 0, 0, 0] = np.nan
    report = diagnose(compare(made, given))
    assert report.first.key == "1/forward/up1.relu"
    assert "1 number is NaN or infinite" in report.diagnoses[0]


def test_other_initial_parameters_are_told():
    made = small_golden()
    given = torch_tensors(made)
    key, last = "0/parameter/up0.conv.weight", "5/parameter/up0.conv.weight"
    for other, words in ((2 * made.arrays[key], "but these are others"), (given[last], "later step")):
        assert words in diagnose(compare(made, {**given, key: other})).diagnoses[0]
    # the first step was taken from others
    given |= {key: 2 * made.arrays[key], "1/forward/up0.conv": 2 * given["1/forward/up0.conv"]}
    assert "load them" in diagnose(compare(made, given)).diagnoses[0]


@pytest.mark.parametrize("part", range(4))
def test_rounding_is_never_accused(part):
    """40 random networks, trained by PyTorch: all of the tensors, a third of them, or costs and gradients alone.

    `pytest -m sweep` trains 200 others.
    """
    for seed in range(10 * part, 10 * part + 10):
        rng = np.random.default_rng(seed)
        options = {"preset": "listing" if seed % 4 == 1 else "thesis",
                   "optimizer": ("momentum", "sgd", "adam")[seed % 3], "channels": int(rng.choice([1, 3, 5])),
                   "features": int(rng.integers(1, 6)),
                   "levels": int(rng.integers(1, 5)), "l2": 0.05 * (seed % 5 == 2)}
        if seed % 7 == 3:
            options["keep_prob"] = 1.0
        size_divisor = 2 ** (options["levels"] - 1)
        size = tuple(size_divisor * int(rng.integers(1, 1 + 20 // size_divisor)) for _ in range(2))
        made = golden.from_seed(Settings.from_options(options), size, int(rng.integers(1, 4)), 4, 2,
                                np.float32 if seed % 6 else np.float64, seed)
        given = torch_tensors(made)
        if seed % 3 == 1:
            given = {key: array for key, array in given.items() if rng.random() < 0.3} or given
        if seed % 3 == 2:
            given = only_costs_and_gradients(given)
        report = diagnose(compare(made, given))
        assert report.agrees, (seed, options, report.diagnoses)


def test_one_wrong_number_departs():
    """The bound is tight enough for the smallest fault in one element of each tensor."""
    made = small_golden()
    given = torch_tensors(made)
    for key in ("1/forward/down0.conv", "1/backward/up1.conv", "1/gradient/up0.conv.weight",
                "2/parameter/output.weight"):
        faulty = given[key].copy()
        at = np.unravel_index(np.argmax(abs(faulty)), faulty.shape)
        faulty[at] *= np.float32(1 + 1e-4)
        assert diagnose(compare(made, {**given, key: faulty})).first.key == key


LAYERS = {      # name: (layer, options, kernel, filters, what is called in place of PyTorch's right call)
    "padding_other_side": ("conv2d", Options(), (4, 4), 4, lambda x, w, o: functional.conv2d(
        functional.pad(x, (2, 1, 2, 1)), w)),
    "filter_channels_swapped": ("conv2d", Options(), (3, 3), 3, lambda x, w, o: functional.conv2d(
        x, w.transpose(0, 1), padding="same")),
    "transposed_channels_swapped": ("conv_transpose2d", Options(), (2, 2), 3, lambda x, w, o:
                                    functional.conv_transpose2d(x, w.transpose(0, 1), stride=2)),
    "transposed_crop_other_side": ("conv_transpose2d", Options(), (3, 3), 4, lambda x, w, o:
                                   functional.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)),
    "transposed_crop_at_end": ("conv_transpose2d", Options(), (4, 4), 4, lambda x, w, o: functional.conv_transpose2d(
        x, w, stride=2)[:, :, :2 * x.shape[2], :2 * x.shape[3]]),
    "kernel_flipped": ("conv2d", Options(padding="valid"), (3, 5), 4, lambda x, w, o: functional.conv2d(
        x, w.flip(2, 3))),
}


@pytest.mark.parametrize(("name", "other"), [(name, other) for name in LAYERS for other in (None, "flipped", "tf32")
                                             if (name, other) != ("kernel_flipped", "flipped")])
def test_layer(name, other, monkeypatch):
    layer, options, kernel, filters, call = LAYERS[name]
    if other == "flipped":
        other = "kernel_flipped" if layer == "conv2d" else "transposed_kernel_flipped"
        plain, call = call, lambda x, w, o: plain(x, w.flip(2, 3), o)
    if other == "tf32":
        call = _in_tf32(call)
    monkeypatch.setitem(torch_layers.LAYERS, layer, lambda t, o: call(t["x"], t["weight"], o))
    inputs = sample_inputs(layer, options, kernel=kernel, filters=filters)
    comparison = compare_layer(layer, inputs, torch_layers.run(layer, inputs, options), options)
    assert_named(comparison, *sorted({name, other} - {None}, key=list(CONVENTIONS).index), diagnose=diagnose_layer)


def _in_tf32(call):
    from torch_training_deviations import Tf32Conv

    return lambda x, w, o: Tf32Conv.apply(x, w, lambda a, b: call(a, b, o))


def test_layers_of_pytorch_agree():
    for layer in torch_layers.LAYERS:
        for seed in range(5):
            inputs = sample_inputs(layer, Options(), seed=seed, dtype=np.float64 if seed % 2 else np.float32)
            report = diagnose_layer(compare_layer(layer, inputs, torch_layers.run(layer, inputs, Options())))
            assert report.agrees, (layer, seed)
