"""A trained network as ONNX, for onnxruntime and all that reads it.

Input "frames": float32 (N, channels, H, W) on the scale of 8 bits, as read; H and W multiples of 2^(levels-1). The
model's scaling is within, and batch normalisation in the weights. Outputs "logits" and "probabilities": (N, classes, H,
W).
"""

import numpy as np

from ..errors import InputError
from ..layers.block import EPSILON
from ..network.stemnet import StemNet
from ..program.extras import library
from ..storage.files import write_atomically
from ..storage.outputs import WEIGHTS
from .golden import prediction, to_layout
from .trace import wiring

OPSET = 17


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
        source = node("Sub", [source, constant("scaling.image", model.scaling.image)], "input.less_image")
    source = node("Sub", [source, constant("scaling.mean", np.float32(model.scaling.mean))], "input.centred")
    node("Mul", [source, constant("scaling.factor", np.float32(1 / model.scaling.std))], "input")
    arguments = {"levels": network.levels}
    before, after = (network.kernel - 1) // 2, network.kernel // 2
    for name, inputs in wiring(arguments).items():
        block, _, kind = name.partition(".")
        layer = block if block == "output" else f"{block}.{'deconv' if kind.startswith('deconv') else 'conv'}"
        if kind in ("conv", "deconv"):
            filters = to_layout("0/parameter/", network.parameters[f"{layer}.weight"], "NCHW")
            weight = constant(f"parameter.{layer}.weight", filters)
            if kind == "deconv":
                node("ConvTranspose", [*inputs, weight], name, strides=[2, 2])
            else:
                node("Conv", [*inputs, weight], name,
                     pads=[0] * 4 if block == "output" else [before, before, after, after])
        elif kind in ("bias", "deconv_bias"):
            b = constant(f"parameter.{layer}.bias", network.parameters[f"{layer}.bias"].reshape(-1, 1, 1))
            node("Add", [*inputs, b], name)
        elif kind == "dropout":
            node("Identity", inputs, name)
        elif kind in ("relu", "deconv_relu") or (name == "logits" and network.logits == "relu"):
            node("Relu", inputs, name)
        elif kind == "pool":
            node("MaxPool", inputs, name, kernel_shape=[2, 2], strides=[2, 2])
        elif kind == "concat":
            node("Concat", inputs, name, axis=1)
        else:
            node("Softmax" if name == "probabilities" else "Identity", inputs, name,
                 **({"axis": 1} if name == "probabilities" else {}))
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
    plain = StemNet(network.channels, network.levels, network.features, network.classes, network.kernel, network.logits,
                    dtype=network.parameters["output.weight"].dtype)
    arrays, statistics = network.parameters, network.statistics
    for name in plain.parameters:
        plain.parameters[name] = arrays[name]
    for layer in (name.removesuffix(".scale") for name in arrays if name.endswith(".scale")):
        a = arrays[f"{layer}.scale"] / np.sqrt(statistics[f"{layer}.variance"].astype(float) + EPSILON)
        plain.parameters[f"{layer}.weight"] = arrays[f"{layer}.weight"] * a
        plain.parameters[f"{layer}.bias"] = arrays[f"{layer}.bias"] - statistics[f"{layer}.mean"] * a
    return plain


def export(model, path, tell=print):
    """Write a model as ONNX, and run it in onnxruntime, where that is installed, against the reference.

    Raises
    ------
    InputError
        If onnx is not installed, or onnxruntime gives other logits than rounding allows.
    """
    if model.network.activation != "relu":
        raise InputError(f"--to {path}: the model was trained with --activation {model.network.activation}; ONNX "
                         "files are of networks with ReLU; give --to weights.npz or weights.safetensors")
    made = build(model).SerializeToString(deterministic=True)
    write_atomically(path, made, WEIGHTS[".onnx"], "--to")
    try:
        runtime = library("onnxruntime", "onnxruntime", "the check")
    except InputError as error:
        tell(f"note: not checked; {error}")
        return
    share = check(made, model, runtime)
    if share > 1:
        raise InputError(f"{path}: the logits of onnxruntime {runtime.__version__} differ by {share:.3g} times what "
                         "rounding allows; do not use the file, and report it")
    tell(f"onnxruntime {runtime.__version__} agrees with the reference: {share:.2g} of what rounding allows")


def check(made, model, runtime):
    """Return by how much of the rounding bound onnxruntime's logits differ from the reference's, on random frames."""
    image = model.scaling.image
    side = (2 * model.network.size_divisor,) * 2 if image is None else \
        tuple(length // model.network.size_divisor * model.network.size_divisor for length in image.shape)
    if image is not None and side != image.shape:
        raise InputError(f"the model subtracts an image of {image.shape[0]} x {image.shape[1]} pixels, no multiple of "
                         f"{model.network.size_divisor}: ONNX cannot pad for it; train with --scaling standard")
    frames = np.random.default_rng(0).integers(0, 256, (1, *side, model.network.channels)).astype(np.float32)
    x = model.scaling.apply(np.moveaxis(frames, -1, 1)).transpose(0, 2, 3, 1)
    exact = prediction(folded(model.network), x)
    session = runtime.InferenceSession(made, providers=["CPUExecutionProvider"])
    logits, = session.run(["logits"], {"frames": frames.transpose(0, 3, 1, 2)})
    return float((abs(logits.transpose(0, 2, 3, 1) - exact.array) / (exact.error + 1e-30)).max())
