"""The layers there are: what each takes, and the functions that compute its outputs under every convention.

A layer takes inputs by name and gives outputs by name: y, and dx, dweight and so on for a given dy; the costs give cost
and dx. Names and layouts are those of `stemnet_ref.layers`.
"""

from dataclasses import dataclass

from ...layers import dice, quadratic
from . import costs, operations, products

# By layer: the axes of its inputs. It has the options kernel and filters where an input has the axes kh, kw and O.
INPUTS = {
    "conv2d": {"x": "N H W C", "weight": "kh kw C O"}, "conv_transpose2d": {"x": "N H W C", "weight": "kh kw O C"},
    "bias": {"x": "N H W C", "b": "C"}, "relu": {"x": "N H W C"}, "sigmoid": {"x": "N H W C"},
    "dense": {"x": "NHW C", "weight": "C O", "b": "O"}, "max_pool2d": {"x": "N H W C"},
    "dropout": {"x": "N H W C", "mask": "N H W C"}, "concat": {"a": "N H W C", "b": "N H W O"},
    "softmax": {"x": "N H W C"}, "batch_norm": {"x": "N H W C", "scale": "C", "shift": "C"},
    **{cost: {"x": "N H W C", "labels": "N H W"} for cost in ("weighted_cross_entropy", "dice", "quadratic")}}
COSTS = tuple(layer for layer, inputs in INPUTS.items() if "labels" in inputs)
# By layer: a function of (v, o, assumed), as `products` describes it
LAYERS = {
    "conv2d": products.conv2d, "conv_transpose2d": products.conv_transpose2d, "bias": operations.bias,
    "relu": operations.relu, "sigmoid": operations.sigmoid, "dense": operations.dense,
    "max_pool2d": operations.max_pool2d, "dropout": operations.dropout, "concat": operations.concat,
    "softmax": costs.softmax_layer, "weighted_cross_entropy": costs.weighted_cross_entropy,
    "dice": costs.of_probabilities(dice, 8.0), "quadratic": costs.of_probabilities(quadratic, 2.0),
    "batch_norm": operations.batch_norm}


@dataclass(frozen=True)
class Options:
    """What a layer takes besides its inputs; each layer uses the options that concern it.

    Attributes
    ----------
    padding : {"same", "valid"}
    stride : int
        Stride of the transposed convolution.
    size : int
        Side of the pooling window, in pixels.
    keep_prob : float
        Probability that dropout keeps a value, in (0, 1].
    epsilon : float
        What batch normalisation adds to the variance, above 0.
    class_weights : tuple of float
        Weight of each class in the cost; without them 1, 2, 3 and so on.

    Raises
    ------
    ValueError
        If one is outside its range.
    """

    padding: str = "same"
    stride: int = 2
    size: int = 2
    keep_prob: float = 0.75
    epsilon: float = 1e-3
    class_weights: tuple = ()

    def __post_init__(self):
        for name, good, required in (
                ("padding", self.padding in ("same", "valid"), "same or valid"),
                ("stride", self.stride >= 1, "at least 1"), ("size", 1 <= self.size <= 16, "from 1 to 16"),
                ("keep_prob", 0 < self.keep_prob <= 1, "above 0 and at most 1, the probability to keep"),
                ("epsilon", self.epsilon > 0, "above 0")):
            if not good:
                raise ValueError(f"{name}={getattr(self, name)!r} must be {required}")

    def weights(self, classes):
        """Return the class weights for a number of classes."""
        weights = tuple(self.class_weights) or tuple(float(1 + each) for each in range(classes))
        if len(weights) != classes:
            raise ValueError(f"class_weights={self.class_weights!r}: there are {classes} classes")
        return weights
