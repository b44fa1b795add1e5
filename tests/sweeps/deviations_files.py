"""Deviations in the precision of the arithmetic, and in what is saved under which name."""

import numpy as np
import torch
from deviation import Catalogue, only

PRECISION, FILES = Catalogue("precision", hint="format"), Catalogue("bookkeeping")
FORMATS = {"half": torch.float16, "bfloat16": torch.bfloat16}


def autocast(dtype):
    def passes(net, plain, *rest):
        with torch.autocast("cpu", dtype):
            return plain(*rest)
    return {"passes": passes}


def rounded(dtype):
    """Return the change that rounds both operands of every product to a format, in its gradient too."""
    def conv(net, plain, x, w, layer):
        return Rounded.apply(plain(Rounded.apply(x, dtype), Rounded.apply(w, dtype), layer), None, dtype)
    return {"conv": conv, "deconv": conv}


class Rounded(torch.autograd.Function):
    """Rounding to a format, of the value, and of the gradient where a second one is given."""

    @staticmethod
    def forward(ctx, x, dtype=None, backward=None):
        ctx.backward_dtype = backward
        return x if dtype is None else x.to(dtype).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        return dy if ctx.backward_dtype is None else dy.to(ctx.backward_dtype).to(dy.dtype), None, None


def of_weights(dtype, layers=None):
    def conv(net, plain, x, w, layer):
        return plain(x, Rounded.apply(w, dtype), layer)
    return {place: only(layers, conv) if layers else conv for place in ("conv", "deconv")}


def of_activations(dtype):
    def conv(net, plain, x, w, layer):
        return plain(Rounded.apply(x, dtype), w, layer)
    return {"conv": conv, "deconv": conv}


def in_float32(net, plain):
    net.file = {key: array.astype(np.float32) if array.dtype == np.float64 and "class" not in key else array
                for key, array in net.file.items()}
    net.dtype = np.dtype(np.float32)
    return {key: array.astype(np.float64) for key, array in plain().items()}


def in_float64(net, plain):
    net.file = {key: array.astype(np.float64) if array.dtype == np.float32 else array
                for key, array in net.file.items()}
    net.dtype = np.dtype(np.float64)
    return plain()


for _name, _dtype in FORMATS.items():
    PRECISION.add(f"autocast to {_dtype}", _name, torch=autocast(_dtype))
    PRECISION.add(f"operands of products in {_dtype}", "half|tf32|tf32_even" if _name == "half" else _name,
                  torch=rounded(_dtype))
    PRECISION.add(f"weights in {_dtype}", f"{_name}_weights", torch=of_weights(_dtype))
    PRECISION.add(f"activations in {_dtype}", _name, torch=of_activations(_dtype))
PRECISION.add("weights in float16 in one layer", "half_weights", layers="up1",
              torch=of_weights(torch.float16, "up1"))
PRECISION.add("float32 in float64", "float32", torch={"train": in_float32}, float64=True)
PRECISION.add("autocast to torch.float16 on the way up", "half", layers="up0 up1", torch={
    "conv": only("up0 up1", lambda net, plain, x, w, layer: plain(x.half(), w.half(), layer).float())})
PRECISION.add("float64 in float32", "agrees", torch={"train": lambda net, plain: {
    key: array.astype(np.float32) for key, array in in_float64(net, plain).items()}})
PRECISION.add("input in float16", "half", layers="input", torch={"scaled": lambda net, plain, *rest: plain(
    *rest).astype(np.float16)})
PRECISION.add("input in whole 1/256", "", family="input", torch={"scaled": lambda net, plain, *rest: np.round(
    plain(*rest) * 256) / 256})
PRECISION.add("logits in float16", "half", layers="output", torch={
    "logits": lambda net, plain, z: Rounded.apply(plain(z), torch.float16)})
PRECISION.add("gradients in float16", "", family="gradients", torch={
    "gradients": lambda net, plain, gradients, parameters: {name: g.half().float() for name, g in plain(
        gradients, parameters).items()}})
PRECISION.add("parameters kept in bfloat16", "", family="optimizer", torch={"updated": lambda net, plain, *rest: {
    name: w.bfloat16().float() for name, w in plain(*rest).items()}})


def add(name, right, saved, **more):
    """Add a mistake in what is saved; `saved` takes the tensors by key."""
    FILES.add(name, right, both={"saved": lambda net, plain, tensors: saved(plain(tensors))}, **more)


def shifted(kind, by):
    """Return a function that saves the tensors of a kind under the number of another step."""
    def saved(tensors):
        def source(key):
            step, _, rest = key.partition("/")
            other = f"{int(step) + by}/{rest}" if rest.startswith(kind) else key
            return tensors.get(other, tensors[key])
        return {key: source(key) if "/" in key else each for key, each in tensors.items()}
    return saved


def last_of(kind):
    """Return a function that saves the last step's tensors of a kind for every step, as without a copy."""
    def saved(tensors):
        last = max(int(key.partition("/")[0]) for key in tensors if "/" in key)
        return {key: tensors[f"{last}/{key.partition('/')[2]}"] if f"/{kind}/" in key else each
                for key, each in tensors.items()}
    return saved


def renamed(*names):
    """Return a function that exchanges tensors."""
    other = {**dict([names]), **dict([names[::-1]])}
    return lambda tensors: {key: tensors[other.get(key, key)] for key in tensors}


def changed(key, change):
    return lambda tensors: {**tensors, key: change(tensors[key])}


def before_the_step(net, plain, tensors):
    """Save the parameters of each step before the optimizer changes them."""
    begin = {f"0/parameter/{key[12:]}": array for key, array in net.file.items() if key.startswith("0/parameter/")}
    return {key: array for key, array in shifted("parameter", -1)({**begin, **plain(tensors)}).items()
            if key not in begin}


for _settings in ({}, {"optimizer": "sgd", "l2": 0.1}, {"optimizer": "adam", "keep_prob": 1.0}):
    FILES.add(f"parameters saved before the step, {_settings.get('optimizer', 'momentum')}", "", hint="early",
              both={"saved": before_the_step}, **_settings)
add("parameters saved a step late", "", shifted("parameter", 1), hint="copy late")
add("costs saved a step late", "", shifted("cost", 1), hint="copy late")
add("gradients saved a step late", "", shifted("gradient", 1), hint="copy late")
add("parameters saved without a copy", "", last_of("parameter"), hint="copy")
add("gradients saved without a copy", "", last_of("gradient"), hint="copy")
add("initial parameters saved without a copy", "", lambda tensors: {**tensors, **{
    f"0{key[1:]}": array for key, array in tensors.items() if key.startswith("5/parameter/")}}, hint="copy")
add("all saved as float16", "", lambda tensors: {key: each.astype(np.float16) for key, each in tensors.items()},
    hint="format")
add("gradients saved after they were zeroed", "without_gradient=parameters", lambda tensors: {
    key: each * ("/gradient/" not in key) for key, each in tensors.items()}, family="frozen", hint="zeroed")
add("costs saved as a sum of all steps", "", lambda tensors: {**tensors, **{
    f"{step}/cost": sum(tensors[f"{each}/cost"] for each in range(1, step + 1)) for step in range(1, 6)}})
add("gradients saved as a mean of all steps", "", lambda tensors: {**tensors, **{
    key: np.mean([tensors[f"{each}/{key[2:]}"] for each in range(1, int(key[0]) + 1)], 0, dtype=array.dtype)
    for key, array in tensors.items() if "/gradient/" in key}})


def of_costs(change):
    """Return a function that saves other costs; `change` takes a step's number and its cost."""
    return lambda tensors: {key: np.asarray(change(int(key[0]), cost), cost.dtype) if key.endswith("/cost") else cost
                            for key, cost in tensors.items()}


def averaged(kind, share):
    """Return a function that saves a running mean of the tensors of a kind, each with this share of the last one."""
    def saved(tensors):
        found = dict(tensors)
        for key in sorted(tensors):
            if f"/{kind}" in key and key[0] in "2345":
                found[key] = ((1 - share) * found[f"{int(key[0]) - 1}{key[1:]}"] + share * tensors[key]).astype(
                    tensors[key].dtype)
        return found
    return saved


def with_norm(tensors):
    """Save gradients whose norm is 0.5 at most: what is clipped is saved, and not used."""
    found = dict(tensors)
    for step in range(1, 6):
        keys = [key for key in tensors if key.startswith(f"{step}/gradient/")]
        norm = np.sqrt(sum(np.sum(np.float64(tensors[key]) ** 2) for key in keys))
        found |= {key: (tensors[key] * min(1, 0.5 / norm)).astype(tensors[key].dtype) for key in keys}
    return found


add("costs saved in percent", "", of_costs(lambda step, cost: 100 * cost), hint="factor")
add("costs saved as their exponential", "", of_costs(lambda step, cost: np.exp(np.minimum(cost, 50))))
add("costs saved with 3 digits", "", of_costs(lambda step, cost: float(f"{cost:.3g}")))
add("costs saved as NaN from step 2 on", "", of_costs(lambda step, cost: cost if step == 1 else np.nan), hint="nan")
add("costs saved as infinite", "", of_costs(lambda step, cost: np.inf), hint="nan")
add("costs saved as 0", "", of_costs(lambda step, cost: 0), hint="zero")
add("costs saved with a penalty", "", lambda tensors: {key: np.asarray(each + 0.01 * sum(np.sum(
    w ** 2) for name, w in tensors.items() if name.startswith(f"{key[0]}/parameter/")), each.dtype) if key.endswith(
        "/cost") else each for key, each in tensors.items()})
add("costs saved as a running mean", "", averaged("cost", 0.1))
add("parameters saved as a running mean", "", averaged("parameter", 0.1))
add("gradients saved as a running mean", "", averaged("gradient", 0.1))
add("gradients saved clipped, and used as they were", "gradients_clipped_by_norm=0.5", with_norm, hint="factor")
add("gradients that are NaN, beside another cost", "", lambda tensors: of_costs(lambda step, cost: 1.1 * cost)({
    key: np.full_like(each, np.nan) if "/gradient/" in key or "/backward/" in key else each
    for key, each in tensors.items()}), hint="nan factor")
add("gradients that are infinite, beside other costs", "", lambda tensors: of_costs(
    lambda step, cost: cost + 0.1 * step)({key: np.full_like(each, np.inf) if "/gradient/" in key or "/backward/" in
                                           key else each for key, each in tensors.items()}), hint="nan factor")
add("parameters that are NaN from step 2 on", "", lambda tensors: {key: np.full_like(
    each, np.nan) if "/parameter/" in key and key[0] in "2345" else each for key, each in tensors.items()}, hint="nan")
add("a gradient saved rolled", "", changed("1/gradient/up0.conv.weight", lambda g: np.roll(g, 1, -1)))
add("a gradient saved flipped", "", changed("1/gradient/up1.conv.weight", lambda g: g[::-1, ::-1]))
add("two biases exchanged", "", renamed("1/gradient/down0.conv.bias", "1/gradient/up0.conv.bias"))
add("ReLU in place of the bias", "", changed("1/forward/down0.bias", lambda y: np.maximum(y, 0)))
add("ReLU in place on the way up", "", changed("1/forward/up0.deconv_bias", lambda y: np.maximum(y, 0)))
add("probabilities saved as logits", "", renamed("1/forward/probabilities", "1/forward/logits"))
add("one element of the logits wrong", "", changed("1/forward/logits", lambda z: with_element(z)))
add("a NaN in a gradient", "", changed("1/gradient/down0.conv.weight", lambda g: with_element(g, np.nan)), hint="nan")
add("gradients of the logits by the number of pixels", "", changed("1/backward/logits", lambda g: g * 768),
    hint="factor")
add("bias gradient of one layer missing", "", changed("1/gradient/up1.conv.bias", lambda g: 0 * g), hint="factor")


def with_element(array, value=1.0):
    array = array.copy()
    array.flat[7] += value
    return array
