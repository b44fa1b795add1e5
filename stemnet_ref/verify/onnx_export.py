"""A trained network as ONNX, for onnxruntime and all that reads it.

Input "frames": float32 (N, channels, H, W) on the scale of 8 bits, as read; H and W multiples of 2^(levels-1). The
model's scaling is within, and batch normalisation in the weights. Outputs "logits" and "probabilities": (N, classes, H,
W).
"""

from dataclasses import asdict

import numpy as np

from ..errors import InputError
from ..layers.block import EPSILON
from ..network import topology
from ..network.stemnet import StemNet
from ..program.extras import library
from ..storage.files import write_atomically
from ..storage.outputs import WEIGHTS
from .golden import prediction
from .layouts import to_layout

OPSET = 17
OPERATORS = {"conv": "Conv", "deconv": "ConvTranspose", "bias": "Add", "activation": "Relu", "pool": "MaxPool",
             "concat": "Concat", "softmax": "Softmax"}         # a dropout does nothing at prediction: Identity


def build(model):
    """Return the onnx.ModelProto of a checkpoint.Model."""
    onnx = library("onnx", "onnx", "--to FILE.onnx")
    helper, network = onnx.helper, folded(model.network)
    nodes, constants = [], {}

    def constant(name, array):
        constants[name] = np.ascontiguousarray(array, np.float32)
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    source = "frames"
    if model.scaling.image is not None:
        source = node("Sub", [source, constant("scaling.image", model.scaling.image)], "input.minus_image")
    source = node("Sub", [source, constant("scaling.mean", np.float32(model.scaling.mean))], "input.centred")
    node("Mul", [source, constant("scaling.factor", np.float32(1 / model.scaling.std))], "input")
    for layer in topology.list_layers(network.blocks):
        inputs, kind, attributes = list(layer.inputs), OPERATORS.get(layer.kind, "Identity"), {}
        if layer.parameter:
            array = network.parameters[layer.parameter]
            array = to_layout(layer.parameter, array, "NCHW") if array.ndim == 4 else array.reshape(-1, 1, 1)
            inputs.append(constant(f"parameter.{layer.parameter}", array))
        if layer.kind == "conv":
            side = layer.block.weight[0]
            attributes["pads"] = [(side - 1) // 2] * 2 + [side // 2] * 2
        elif layer.kind in ("deconv", "pool"):
            attributes["strides"] = [2, 2]
            attributes |= {"kernel_shape": [2, 2]} if layer.kind == "pool" else {}
        elif layer.kind in ("concat", "softmax"):
            attributes["axis"] = 1
        elif layer.kind == "activation" and layer.block.activation == "linear":
            kind = "Identity"
        node(kind, inputs, layer.name, **attributes)
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "StemNet",
        [helper.make_tensor_value_info("frames", float32, ["N", network.channels, "H", "W"])],
        [helper.make_tensor_value_info(name, float32, ["N", network.classes, "H", "W"])
         for name in ("logits", "probabilities")],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                             producer_name=WEIGHTS[".onnx"].mark)
    onnx.checker.check_model(made, full_check=True)
    return made


def folded(network):
    """Return the network that predicts the same without batch normalisation: w' = w a, b' = b - mean a.

    a = scale / sqrt(variance + epsilon), of the running statistics.
    """
    if network.normalisation == "none":
        return network
    plain = StemNet(**{**asdict(network.architecture), "normalisation": "none"},
                    dtype=network.parameters["output.weight"].dtype)
    arrays, statistics = network.parameters, network.statistics
    for name in plain.parameters:
        plain.parameters[name] = arrays[name]
    for layer in (name.removesuffix(".scale") for name in arrays if name.endswith(".scale")):
        a = arrays[f"{layer}.scale"] / np.sqrt(statistics[f"{layer}.variance"].astype(float) + EPSILON)
        plain.parameters[f"{layer}.weight"] = arrays[f"{layer}.weight"] * a
        plain.parameters[f"{layer}.bias"] = arrays[f"{layer}.bias"] - statistics[f"{layer}.mean"] * a
    return plain


def export(model, path, log=print):
    """Write a model as ONNX, after onnxruntime, where that is installed, has run it against the reference.

    Raises
    ------
    InputError
        If onnx is not installed, the model cannot be written as ONNX, or onnxruntime gives other logits than rounding
        allows; no file is written then.
    """
    image, divisor = model.scaling.image, model.network.size_divisor
    if model.network.activation != "relu":
        raise InputError(f"--to {path}: the model was trained with --activation {model.network.activation}; ONNX "
                         "files are of networks with ReLU; give --to weights.npz or weights.safetensors")
    if image is not None and any(side % divisor for side in image.shape):
        raise InputError(f"--to {path}: the model subtracts an image of {image.shape[0]} x {image.shape[1]} pixels, no "
                         f"multiple of {divisor}: ONNX cannot pad for it; train with --scaling standard")
    made = build(model).SerializeToString(deterministic=True)
    try:
        runtime = library("onnxruntime", "onnxruntime", "the check")
    except InputError as error:
        said = f"note: not checked; {error}"
    else:
        share = check(made, model, runtime)
        if share > 1:
            raise InputError(f"--to {path}: not written, because the logits of onnxruntime {runtime.__version__} "
                             f"differ by {share:.3g} times what rounding allows; report it")
        said = f"onnxruntime {runtime.__version__} agrees with the reference: {share:.2g} of what rounding allows"
    write_atomically(path, made, WEIGHTS[".onnx"], "--to")
    log(said)


def check(made, model, runtime):
    """Return the largest difference between onnxruntime's logits and the reference's, as a share of the rounding bound.

    Both are computed from random frames.
    """
    side = (2 * model.network.size_divisor,) * 2 if model.scaling.image is None else model.scaling.image.shape
    frames = np.random.default_rng(0).integers(0, 256, (1, *side, model.network.channels)).astype(np.float32)
    x = model.scaling.apply(np.moveaxis(frames, -1, 1)).transpose(0, 2, 3, 1)
    exact = prediction(folded(model.network), x)
    session = runtime.InferenceSession(made, providers=["CPUExecutionProvider"])
    logits, = session.run(["logits"], {"frames": frames.transpose(0, 3, 1, 2)})
    return float((abs(logits.transpose(0, 2, 3, 1) - exact.array) / (exact.error + 1e-30)).max())
