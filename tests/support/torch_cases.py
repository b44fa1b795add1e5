"""PyTorch's side of the cases in cases.py."""

import cases
import torch
from torch.nn import functional

from stemnet_ref.verify.twins import torch_layers
from stemnet_ref.verify.twins.torch_twin import StemNet, nchw, nhwc, to_reference


def layer_outputs(name, inputs):
    """Return what PyTorch makes of the inputs, in the reference's layouts."""
    if name == "weighted_pixels_cross_entropy":
        return _weighted_pixels(inputs)
    layer, options = cases.layer_of(name)
    outputs = torch_layers.run(layer, {{"z": "x"}.get(key, key): array for key, array in inputs.items()}, options)
    return {{"dx": "dz"}.get(key, key) if "z" in inputs else key: array for key, array in outputs.items()}


def _weighted_pixels(inputs):
    z, labels = nchw(inputs["z"]).clone().requires_grad_(), torch.as_tensor(inputs["labels"])
    entropy = functional.cross_entropy(z, labels, reduction="none")
    weights = torch.tensor(cases.WEIGHTS, dtype=torch.float64)[labels] + torch.as_tensor(inputs["pixel_weights"])
    cost = (weights * entropy).mean()
    cost.backward()
    return {"cost": cost.detach().numpy(), "dz": nhwc(z.grad)}


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, cases.RATE),
    "momentum": lambda parameters: torch.optim.SGD(parameters, cases.RATE, momentum=0.2),
    "momentum_tensorflow": lambda parameters: torch.optim.SGD(parameters, cases.RATE, momentum=0.2),
    "listing": lambda parameters: torch.optim.SGD(parameters, cases.RATE, momentum=0.2),
    "adam": lambda parameters: torch.optim.Adam(parameters, cases.RATE),
}


def network_outputs(name):
    """Return PyTorch's costs, first gradients and parameters over ten steps of training."""
    decays, listing = cases.NETWORKS[name][1], cases.NETWORKS[name][2] == "listing"
    reference = cases.small_network()
    twin = StemNet(3, levels=3, features=2, logits="relu" if listing else "linear").double()
    twin.load_reference(reference.parameters)
    optimizer, outputs, costs = OPTIMIZERS[name](twin.parameters()), {}, []
    for step in range(cases.STEPS):
        x, labels = cases.batch(step)
        masks = [nchw(mask) for mask in cases.masks(reference, step)]
        z = twin(nchw(x), masks, cases.KEEP_PROB)
        weights = torch.tensor([1.0, 3.0 if listing else 2.0], dtype=torch.float64)
        cost = functional.cross_entropy(z, torch.as_tensor(labels), weights, reduction="none").mean()
        optimizer.zero_grad()
        cost.backward()
        if step == 0:
            outputs.update({f"gradient/{key}": to_reference(value.grad).copy()
                            for key, value in twin.reference_names().items()})
        for group in optimizer.param_groups:
            group["lr"] = cases.rate_of(step, decays)
        optimizer.step()
        costs.append(cost.item())
    return {"costs": torch.tensor(costs, dtype=torch.float64).numpy(), **outputs,
            **{f"parameter/{key}": to_reference(value) for key, value in twin.reference_names().items()}}
