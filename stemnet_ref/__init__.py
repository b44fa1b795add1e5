"""StemNet written from scratch: NumPy, explicit backpropagation, no framework.

M. Isaksson, "StemNet: A Temporally Trained Fully Convolutional Network for Segmentation of Muscular Stem Cells",
KTH 2017. Equation numbers in this package are that thesis's.

Reading order, bottom up:

1. `stemnet_ref.layers`: dense, on which the thesis derives backpropagation; conv2d (its loops first), bias, relu,
   sigmoid, max_pool2d, conv_transpose2d, concat, dropout, batch_norm; softmax and the costs; and `block`, which puts
   the layers of one convolution together. A module opens with its equations and holds `forward` and `backward` in plain
   NumPy; the kernels of a layer are in the `.cu` file beside it.
2. `stemnet_ref.network`: `topology`, the U stated once; `stemnet`, which runs it forward, and backward in mirrored
   order; its parameters are one buffer, `stemnet_ref.flat`.
3. `stemnet_ref.cost`: from logits to the cost, and back; `stemnet_ref.optimizers` (what they remember: `slots`) and
   `stemnet_ref.regularization`: what is done with the gradients; `training_step` in `stemnet_ref.training.step`: one
   step of training.
4. `stemnet_ref.data`: from files to batches; `stemnet_ref.training`: a run of many steps; `stemnet_ref.predict`,
   `stemnet_ref.metrics`.
5. `stemnet_ref.backends`: the same operations, fast, `cpu` and `cuda`. No layer depends on them.
6. `stemnet_ref.verify`: other implementations beside this one; `stemnet_ref.report`, `stemnet_ref.experiments`.

`python -m stemnet_ref.explain` shows one step of training in numbers.
"""

import sys
from importlib import import_module

if sys.argv[:1] == ["-m"]:              # a program of this package begins: python -m stemnet_ref...
    from .program import start  # noqa: F401

__version__ = "0.1.0"
__all__ = ["StemNet", "__version__", "layers", "optimizers"]


def __getattr__(name):
    """Import a part when it is asked for, after `start`; and `python -m stemnet_ref.network` runs the network once."""
    if name == "StemNet":
        from .network.stemnet import StemNet

        return StemNet
    if name in ("layers", "optimizers"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
