"""The cost of a network's logits: the softmax, and one of the costs that compare its probabilities with the labels."""

from dataclasses import dataclass

from . import layers

OF_PROBABILITIES = "dice", "quadratic"          # names of their layers too
COSTS = ("weighted_cross_entropy", "cross_entropy", *OF_PROBABILITIES)


@dataclass(frozen=True)
class Cost:
    """A cost as a function of logits (N, H, W, K) and labels (N, H, W).

    Attributes
    ----------
    name : str
        One of `COSTS`.
    class_weights : tuple of K floats
        Weights of the classes in "weighted_cross_entropy"; ones in the other costs, which have no weights.

    Raises
    ------
    ValueError
        If there is no cost of this name, or weights other than ones are given to a cost that has none.
    """

    name: str
    class_weights: tuple = (1.0, 1.0)

    def __post_init__(self):
        if self.name not in COSTS:
            raise ValueError(f"Cost: name={self.name!r} must be one of {', '.join(COSTS)}")
        if self.name != COSTS[0] and any(weight != 1 for weight in self.class_weights):
            raise ValueError(f"Cost: class_weights={self.class_weights} must be ones with name={self.name!r}; only "
                             f"{COSTS[0]!r} has weights")

    @classmethod
    def of(cls, settings):
        """Return the cost that the settings name."""
        return cls(settings.cost, settings.class_weights)

    def forward(self, logits, labels, pixel_weights=None, layers=layers):
        """Return the cost and the probabilities.

        `pixel_weights` (N, H, W) are added to those of the classes. `layers` compute: those of a backend, or the plain
        ones.
        """
        if self.name not in OF_PROBABILITIES:
            return layers.weighted_cross_entropy.forward(logits, labels, self.class_weights, pixel_weights)
        p = layers.softmax.forward(logits)
        return getattr(layers, self.name).forward(p, labels), p

    def backward(self, p, labels, pixel_weights=None, layers=layers):
        """Return the gradient of the cost with respect to the logits, at the probabilities `p`.

        Dice and the quadratic cost are functions of the probabilities, so their gradient goes through the softmax. The
        other arguments are those of `forward`.
        """
        if self.name not in OF_PROBABILITIES:
            return layers.weighted_cross_entropy.backward(p, labels, self.class_weights, pixel_weights)
        return layers.softmax.backward(getattr(layers, self.name).backward(p, labels), p)
