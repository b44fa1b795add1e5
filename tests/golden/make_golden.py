"""Write the golden files: python tests/golden/make_golden.py (needs PyTorch 2.13.0)

The inputs come from the seed below, the outputs from PyTorch alone; test_golden.py holds the reference against them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parents[1])]

import cases  # noqa: E402
import torch_cases  # noqa: E402

SEED = 2017

arrays = {"about": np.array(json.dumps({"seed": SEED, "torch": torch.__version__, "numpy": np.__version__,
                                        "made_by": "tests/golden/make_golden.py"}, sort_keys=True))}
for name in cases.LAYERS:
    inputs = cases.layer_inputs(name, SEED)
    arrays.update({f"{name}/in/{key}": array for key, array in inputs.items()})
    arrays.update({f"{name}/out/{key}": array for key, array in torch_cases.layer_outputs(name, inputs).items()})
np.savez_compressed(HERE / "layers.npz", **arrays)

network = cases.small_network()
arrays = {"about": arrays["about"], **{f"start/{key}": array for key, array in network.parameters.items()}}
for step in range(cases.STEPS):
    arrays[f"x/{step}"], arrays[f"labels/{step}"] = cases.batch(step)
for name in cases.NETWORKS:
    arrays.update({f"{name}/{key}": array for key, array in torch_cases.network_outputs(name).items()})
np.savez_compressed(HERE / "network.npz", **arrays)
