"""The twins in PyTorch, TensorFlow and JAX agree with the reference, and deviations made in them are named."""

import os

import numpy as np
import pytest
from verifying import small_golden

from stemnet_ref.verify import actual, frameworks
from stemnet_ref.verify.__main__ import main
from stemnet_ref.verify.compare import compare, compare_layer
from stemnet_ref.verify.diagnosis.search import diagnose
from stemnet_ref.verify.expected.layer import LAYERS, Options, sample_inputs

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FRAMEWORKS = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in frameworks.FRAMEWORKS]
SETTINGS = ({}, {"optimizer": "adam"}, {"optimizer": "sgd", "l2": 0.05}, {"preset": "listing", "keep_prob": 1.0},
            {"preset": "listing", "optimizer": "adam"}, {"float64": True, "momentum_form": "tensorflow"},
            {"float64": True}, {"float64": True, "optimizer": "adam"})


def tensors(framework, made):
    module = frameworks.load(framework)
    return actual.select(frameworks.arrays(module.train(made)), made, (frameworks.LAYOUTS[framework],))


@pytest.fixture(autouse=True)
def without_warnings_of_the_frameworks(recwarn):
    """Let the frameworks warn of their own old calls."""


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_network(framework, settings):
    made = small_golden(batch=1, steps=3, **settings)
    report = diagnose(compare(made, tensors(framework, made)))
    assert report.agrees, report.diagnoses
    assert len(report.rows) > 140


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("layer", LAYERS)
def test_layer(framework, layer):
    module = frameworks.load(framework, "layers")
    for seed, (padding, stride, kernel, dtype) in enumerate((("same", 2, (5, 5), np.float32), ("valid", 3, (2, 4),
                                                                                               np.float64))):
        options = Options(padding, stride, class_weights=(1.0, 2.0, 0.5))
        inputs = sample_inputs(layer, options, kernel=kernel, dtype=dtype, seed=seed)
        outputs = frameworks.arrays(module.run(layer, inputs, options))
        report = diagnose(compare_layer(layer, inputs, outputs, options))
        assert report.agrees, report.diagnoses
        assert {"y", "cost"} & outputs.keys()
        assert len(outputs) > 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_commands(framework, tmp_path, capsys):
    small = ["--channels", "3", "--levels", "2", "--features", "2", "--size", "8x12", "--steps", "2"]
    assert main(["against", framework, *small, "--save", str(tmp_path / "actual.npz")]) == 0
    text = capsys.readouterr().out
    assert text.startswith(frameworks.FRAMEWORKS[framework])
    assert "agrees: " in text
    assert main(["export", *small, "--layout", "NCHW", "--out", str(tmp_path / "golden.npz")]) == 0
    assert main(["compare", str(tmp_path / "golden.npz"), str(tmp_path / "actual.npz"), "--all"]) == 0
    assert main(["layer", "conv_transpose2d", "--against", framework, "--kernel", "3"]) == 0
    assert main(["compare", str(tmp_path / "golden.npz"), str(tmp_path / "actual.npz")]) == 0
    assert main(["export", *small, "--seed", "1", "--out", str(tmp_path / "other.npz")]) == 0
    assert main(["compare", str(tmp_path / "other.npz"), str(tmp_path / "actual.npz")]) == 1


def in_tensorflow():
    """Return deviations planted in TensorFlow: by convention, settings and what is set where."""
    import tensorflow as tf

    from stemnet_ref.verify.twins import tensorflow_twin as twin

    conv2d, concat, pool, dropout = tf.nn.conv2d, tf.concat, tf.nn.max_pool2d, twin.forward

    def clipped(logits, labels, weights):
        """The listing's cost."""
        p = tf.clip_by_value(tf.nn.softmax(logits), 1e-10, 1.0)
        return tf.reduce_mean(tf.gather(weights, labels) * -tf.math.log(tf.gather(p, labels, batch_dims=3)))

    def windows(x, size, stride, padding):
        n, h, w, c = x.shape
        return tf.reduce_max(tf.reshape(x, (n, h // 2, 2, w // 2, 2, c)), (2, 4))

    keras = tf.keras.optimizers
    return {
        "kernel_flipped": ({}, tf.nn, "conv2d", lambda x, w, *rest: conv2d(x, tf.reverse(w, (0, 1)), *rest)),
        "filter_axes_transposed": ({}, tf.nn, "conv2d", lambda x, w, *rest: conv2d(x, tf.transpose(w, (1, 0, 2, 3)),
                                                                                   *rest)),
        "concat_swapped": ({}, tf, "concat", lambda parts, axis: concat(parts[::-1], axis)),
        "pool_ties_share": ({}, tf.nn, "max_pool2d", windows),
        "pool_ties_to_last": ({}, tf.nn, "max_pool2d", lambda x, *rest: tf.reverse(
            pool(tf.reverse(x, (1, 2)), *rest), (1, 2))),
        "dropout_ignored": ({}, twin, "forward", lambda parameters, x, levels, masks, keep_prob, *rest:
                            dropout(parameters, x, levels, None, 1.0, *rest)),
        "dropout_keep_for_drop": ({}, twin, "forward", lambda parameters, x, levels, masks, keep_prob, *rest:
                                  dropout(parameters, x, levels, masks, 1 - keep_prob, *rest)),
        "log_clipped_1e-10": ({}, twin, "cost", clipped),
        "cost_summed": ({}, tf, "reduce_mean", tf.reduce_sum),
        "cost_over_weights": ({}, twin, "cost", lambda z, y, w: tf.reduce_sum(
            tf.gather(w, y) * tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)) / tf.reduce_sum(tf.gather(w, y))),
        "momentum_nesterov": ({}, twin, "make_optimizer", lambda training: keras.SGD(
            training["learning_rate"], training["momentum"], nesterov=True)),
        "momentum_other_form": ({}, twin, "make_optimizer", lambda training: twin.Momentum(
            training["learning_rate"], training["momentum"])),
        "adam_epsilon": ({"preset": "listing", "optimizer": "adam"}, twin, "make_optimizer",
                         lambda training: keras.Adam(training["learning_rate"])),
        "adamw_default": ({"preset": "listing", "optimizer": "adam"}, twin, "make_optimizer",
                          lambda training: keras.AdamW(training["learning_rate"], weight_decay=0.01, epsilon=1e-8)),
        "weights_ignored": ({}, twin, "cost", lambda z, y, w: tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))),
    }


@pytest.mark.tensorflow
@pytest.mark.parametrize("partner", [None, "kernel_flipped"])
def test_deviations_in_tensorflow_are_named(partner):
    planted = in_tensorflow()
    for name, (settings, *_) in planted.items():
        names = {name, partner} - {None}
        if partner and name in (partner, "filter_axes_transposed"):
            continue
        made = small_golden(steps=3, **settings)
        with pytest.MonkeyPatch.context() as patch:
            for each in names:
                patch.setattr(*planted[each][1:])
            report = diagnose(compare(made, tensors("tensorflow", made)))
        assert report.conventions == dict.fromkeys(names), (name, report.diagnoses)


@pytest.mark.jax
def test_deviations_in_jax_are_named(monkeypatch):
    import jax.numpy as jnp

    from stemnet_ref.verify.twins import jax_twin as twin

    made = small_golden(steps=2)
    monkeypatch.setattr(twin, "max_pool", lambda x: jnp.max(
        x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2, x.shape[3]), (2, 4)))
    conv = twin.conv
    monkeypatch.setattr(twin, "conv", lambda x, w: conv(x, w[::-1, ::-1]))
    report = diagnose(compare(made, tensors("jax", made)))
    assert report.conventions == {"kernel_flipped": None, "pool_ties_share": None}


def test_what_is_not_installed_is_said_in_one_line(monkeypatch, capsys):
    import sys

    from stemnet_ref.program import cli

    monkeypatch.setitem(sys.modules, "jax", None)
    assert cli.run("verify", main, ["against", "jax"]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "against jax: needs jax, which" in text
    assert "pip install jax" in text
