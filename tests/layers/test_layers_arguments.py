"""Arguments that do not fit are named by every layer."""

import numpy as np
import pytest

from stemnet_ref.layers import (
    batch_norm,
    bias,
    concat,
    conv2d,
    conv_transpose2d,
    dense,
    dice,
    dropout,
    max_pool2d,
    quadratic,
    relu,
    sigmoid,
    softmax,
    weighted_cross_entropy,
)


def ones(*shape, dtype=float):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(("call", "culprit"), [
    (lambda: conv2d.forward(ones(1, 4, 4), ones(3, 3, 2, 2)), r"x has shape \(1, 4, 4\); it needs 4 axes"),
    (lambda: conv2d.forward(ones(1, 4, 4, 3), ones(3, 3, 2, 2)), "C must be 3 as in x"),
    (lambda: conv2d.forward(ones(1, 4, 4, 2), ones(3, 3, 2, 2), "full"), "padding='full'"),
    (lambda: conv2d.forward(ones(1, 4, 4, 2), ones(5, 5, 2, 2), "valid"), "5 x 5 kernel does not fit"),
    (lambda: conv2d.forward(ones(1, 4, 4, 2), ones(3, 3, 2, 2, dtype=np.float32)), "differ in dtype"),
    (lambda: conv2d.backward(ones(1, 4, 4, 9), ones(1, 4, 4, 2), ones(3, 3, 2, 2)), "O must be 9"),
    (lambda: conv2d.backward(ones(1, 3, 4, 2), ones(1, 4, 4, 2), ones(3, 3, 2, 2)), "need"),
    (lambda: conv_transpose2d.forward(ones(1, 4, 4, 2), ones(2, 2, 2, 3)), "C must be 2"),
    (lambda: conv_transpose2d.forward(ones(1, 4, 4, 2), ones(2, 2, 3, 2), 0), "stride=0"),
    (lambda: conv_transpose2d.forward(ones(1, 4, 4, 2), ones(2, 2, 3, 2), 2, "full"), "padding='full'"),
    (lambda: conv_transpose2d.backward(ones(1, 4, 4, 3), ones(1, 4, 4, 2), ones(2, 2, 3, 2)), r"needs \(1, 8, 8, 3\)"),
    (lambda: bias.forward(ones(1, 4, 4, 2), ones(3)), "C must be 2"),
    (lambda: bias.backward(ones(4, 2)), "needs 4 axes"),
    (lambda: relu.backward(ones(2), ones(3)), "dy has shape"),
    (lambda: sigmoid.backward(ones(2), ones(3)), "dy has shape"),
    (lambda: softmax.backward(ones(2), ones(3)), "dp has shape"),
    (lambda: dense.forward(ones(2, 3), ones(4, 5), ones(5)), "D must be 3"),
    (lambda: dense.backward(ones(2, 5), ones(2, 3), ones(3, 4)), "M must be 5"),
    (lambda: max_pool2d.forward(ones(1, 5, 4, 2)), "size=2 must divide .* 5 x 4 pixels; crop to 4 x 4"),
    (lambda: max_pool2d.forward(ones(1, 4, 4, 2), 0), "size=0"),
    (lambda: max_pool2d.backward(ones(1, 2, 2, 2), ones(1, 2, 3, 2, dtype=np.uint8)), "W must be 2"),
    (lambda: max_pool2d.forward(ones(1, 34, 34, 1), 17), "size=17 must be at most 16"),
    (lambda: max_pool2d.backward(ones(1, 2, 2, 2), ones(1, 2, 2, 2, dtype=np.uint8), add_to=ones(1, 4, 4, 1)),
     r"add_to is float\d+ of shape \(1, 4, 4, 1\); it must be"),
    (lambda: dropout.draw_mask((2,), 0, 0, 0, 0), "keep_prob=0 "),
    (lambda: dropout.draw_mask((2,), 0.5, -1, 0, 0), "seed=-1"),
    (lambda: weighted_cross_entropy.backward(ones(1, 2, 2), ones(1, 2, 2, dtype=int), (1, 2)), "backward: p has shape"),
    (lambda: dropout.forward(ones(2), ones(3, dtype=bool), 0.5), "mask has shape"),
    (lambda: dropout.forward(ones(2), ones(2, dtype=bool), 1.5), "keep_prob=1.5"),
    (lambda: concat.forward(ones(1, 4, 4, 2), ones(1, 4, 5, 2)), "W must be 4"),
    (lambda: concat.backward(ones(1, 4, 4, 2), 3), "channels_a=3"),
    (lambda: weighted_cross_entropy.forward(ones(1, 2, 2, 2), ones(1, 2, 2), (1, 2)), "labels are float64"),
    (lambda: weighted_cross_entropy.forward(ones(1, 2, 2, 2), 2 * ones(1, 2, 2, dtype=int), (1, 2)), "allow 0 to 1"),
    (lambda: weighted_cross_entropy.forward(ones(1, 2, 2, 2), ones(1, 2, 2, dtype=int), (1, 2, 3)),
     r"class_weights has shape \(3,\).*K must be 2"),
    (lambda: weighted_cross_entropy.forward(ones(1, 2, 2, 2), ones(1, 2, 2, dtype=int), (1, 2), ones(2, 2, 2)),
     r"pixel_weights has shape \(2, 2, 2\)"),
    (lambda: weighted_cross_entropy.backward(ones(1, 2, 2, 2), ones(1, 2, 2, dtype=int), (1, 2),
                                             ones(1, 2, 2, dtype=np.float32)), "differ in dtype"),
    (lambda: dice.forward(ones(1, 2, 2, 2), -ones(1, 2, 2, dtype=int)), "labels run from -1"),
    (lambda: quadratic.forward(ones(1, 2, 2, 2), ones(1, 2, 3, dtype=int)), "W must be 2"),
    (lambda: batch_norm.forward(ones(1, 2, 2, 2), ones(2), ones(2), 0), "epsilon=0 must be above 0"),
    (lambda: batch_norm.forward(ones(1, 2, 2, 2), ones(3), ones(3), 1), "C must be 2"),
])
def test_bad_arguments_are_named(call, culprit):
    with pytest.raises(ValueError, match=culprit):
        call()
