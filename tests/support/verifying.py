"""What the tests of verify share: small golden files, and what PyTorch makes of them with deviations planted."""

from functools import lru_cache

import numpy as np
import pytest

from stemnet_ref.program import cli
from stemnet_ref.training.settings import Settings
from stemnet_ref.verify import golden
from stemnet_ref.verify.__main__ import main
from stemnet_ref.verify.golden import keys

SMALL = {"preset": "thesis", "channels": 3, "features": 2, "levels": 3}


def small_golden(size=(16, 16), batch=2, steps=5, seed=1, **options):
    """Return a golden file of a small network; `options` are settings, and float64."""
    return _golden(size, batch, steps, seed, tuple(sorted(options.items())))


@lru_cache
def _golden(size, batch, steps, seed, options):
    options = dict(options)
    dtype = np.float64 if options.pop("float64", False) else np.float32
    return golden.from_seed(Settings.from_options({**SMALL, **options}), size, batch, steps, 2, dtype, seed)


def torch_tensors(made):
    """Return the tensors of PyTorch's twin, in the reference's layouts."""
    from stemnet_ref.verify import actual, frameworks
    from stemnet_ref.verify.twins import torch_twin

    return actual.select(frameworks.arrays(torch_twin.train(made)), made, ("NCHW",))


def deviate(*names):
    """Return a golden file, and what PyTorch makes of it with these deviations planted."""
    from torch_deviations import DEVIATIONS

    made = small_golden(**{key: value for name in names for key, value in DEVIATIONS[name][0].items()})
    with pytest.MonkeyPatch.context() as patch:
        changed = made
        for name in names:
            changed = DEVIATIONS[name][1](patch, changed)
        given = torch_tensors(changed)
    if "float32" in names:
        given = {key: array.astype(np.float64) for key, array in given.items()}
    return made, given


def only_costs_and_gradients(given):
    """Return what one has who keeps neither activations nor their gradients."""
    return {key: array for key, array in given.items() if "/forward/" not in key and "/backward/" not in key}


COMMANDS = ["--channels", "3", "--levels", "3", "--features", "2", "--size", "8x12"]     # a small network


def run(*arguments):
    """Return the exit status of a command of verify."""
    return cli.run("verify", main, [str(argument) for argument in arguments])


def write_files(folder):
    """Return the paths of a golden file, and of one that holds what an implementation that is right would have made."""
    paths = folder / "golden.npz", folder / "actual.npz"
    assert run("export", *COMMANDS, "--out", paths[0]) == 0
    made = golden.read(paths[0])
    np.savez(paths[1], **{key: made.arrays[key] for key in keys(made) if key in made.arrays})
    return paths
