"""The page: a card for every tensor forward and backward, one gradient by hand, and the updates of one weight."""

import math

import numpy as np

from ..optimizers import BETA1, BETA2, EPSILON
from ..report.markup import scrollable
from ..training.settings import ADAM_LEARNING_RATE as ALPHA
from .elements import SCRIPT, STYLE, card, formula, grid, grids, link, sentence
from .numbers import number, term, under, worked_backward, worked_forward
from .step import KERNEL, NUDGE

HALF = (KERNEL - 1) // 2
# By kind of layer: its name, its forward equation, and the source of the equation
FORWARD = {
    "conv": ("convolution", f"z[i,j,o] = Σ_a,b,c  x[i+a−{HALF}, j+b−{HALF}, c] · w[a,b,c,o]",
             "section 4, eq. 30: the weighted input, its sum over the kernel's field"),
    "1x1": ("1 × 1 convolution", "z[i,j,o] = Σ_c  x[i,j,c] · w[c,o]", "section 9, eq. 30"),
    "dropout": ("dropout", "y = m / keep · z",
                "section 8.1; m is 1 with probability keep = 0.75, sampled anew in every step"),
    "bias": ("bias", "z[i,j,o] + b[o]", "eq. 30, the term b"),
    "relu": ("ReLU", "a = max(0, z)", "eq. 37"),
    "pool": ("maximum pooling", "y[i,j] = max of x[2i..2i+1, 2j..2j+1]", "section 4.3"),
    "deconv": ("transposed convolution", "z[2i+a, 2j+b, o] = Σ_c  x[i,j,c] · w[a,b,o,c]", "section 5.1"),
    "concat": ("concatenation", "[way down, way up], side by side as channels", "section 9"),
    "linear": ("logits", "z, as they are", "section 9"),
    "softmax": ("softmax", "p[k] = e^z[k] / Σ_j e^z[j]", "eq. 8"),
}
# By kind of layer: how the delta comes back through it, and the source of the equation
BACK = {
    "conv": ("through the convolution", f"δ[i,j,c] = Σ_a,b,o  δ'[i−a+{HALF}, j−b+{HALF}, o] · w[a,b,c,o]",
             "eq. 34, 41-44: every δ' that this number contributed to, times its weight"),
    "1x1": ("through the 1 × 1 convolution", "δ[i,j,c] = Σ_o  δ'[i,j,o] · w[c,o]", "eq. 34"),
    "dropout": ("through the dropout", "δ = m / keep · δ'", "section 8.1: a dropped number has δ = 0"),
    "bias": ("through the bias", "δ = δ'", "eq. 42: adding a constant changes no slope"),
    "relu": ("through ReLU", "δ = δ' where a > 0, else 0", "eq. 33-34, the factor σ'(z)"),
    "pool": ("through the pooling", "δ = δ' at the largest number, else 0", "section 4.3"),
    "deconv": ("through the transposed convolution", "δ[i,j,c] = Σ_a,b,o  δ'[2i+a, 2j+b, o] · w[a,b,o,c]", "eq. 34"),
    "concat": ("through the concatenation", "δ = its own channels of δ'", "section 9"),
    "linear": ("through the identity", "δ = δ'", "section 9"),
    "softmax": ("through cost and softmax", "δ[k] = w_class / n · (p[k] − [k is the truth])",
                "eq. 38 with eq. 8 and 60 inserted; here the error begins"),
}


def parts(step):
    """Return the page's body for a `step.Step`, a list of str of HTML."""
    layers = list(step.layers.values())
    network = step.network
    return [
        f"<style>{STYLE}</style>", '<a class="skip" href="#forward">To the numbers</a>', "<main>",
        "<h1>One step of training, number by number</h1>",
        f"<p>A StemNet of {network.levels} levels with {network.features} feature maps at the first sees a frame of "
        f"{step.x.shape[1]} × {step.x.shape[2]} pixels with a bright disc, computes how wrong it is, sends the error "
        "back layer by layer, and changes its weights. The reference computed all numbers; the grids show them with "
        "two decimals, the lines below with four digits. The sums in these lines are worked out again with all "
        f"digits, and compared. The kernels are {KERNEL} × {KERNEL}, where the thesis has 5 × 5, so that a sum fits "
        "into a few lines. Equations and sections are those of the thesis.</p>",
        "<p>δ of a number is the error of eq. 31: how much the cost would change with it. In the grids blue is above 0 "
        "and orange below; ×10⁻³ over a grid applies to all its numbers; 0 is exactly 0, and 0.00 only near it; the "
        "framed number is worked out below the grid. Arrow keys left and right go from card to card.</p>",
        '<nav class="steps" aria-label="parts"><a href="#network">The network</a><a href="#forward">Forward</a>'
        '<a href="#cost">The cost</a><a href="#back">Back</a><a href="#gradient">One gradient by hand</a>'
        '<a href="#update">The update</a></nav>',
        '<h2 id="network">The network</h2>', overview(step),
        '<h2 id="forward">Forward</h2>', input_card(step), *(forward_card(step, layer) for layer in layers),
        '<h2 id="cost">The cost</h2>', cost_card(step),
        '<h2 id="back">Back</h2>', *(back_card(step, layer) for layer in reversed(layers[:-1])),
        '<h2 id="gradient">One gradient by hand</h2>', gradient_card(step),
        '<h2 id="update">The update of that weight</h2>', update_cards(step), "</main>",
        f"<script>{SCRIPT}</script>",
    ]


def kind_of(layer):
    """Return the key of FORWARD and BACK for a layer."""
    if layer.kind == "activation":
        return layer.block.activation
    return "1x1" if layer.kind == "conv" and layer.block.weight[:2] == (1, 1) else layer.kind


def overview(step):
    """Return a table of all tensors, with links to their cards."""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("tensor", "is", "size", "made of"))
    rows = [f"<tr>{heads}</tr>"]
    for name, layer in step.layers.items():
        what, _, _ = FORWARD[kind_of(layer)]
        size = " × ".join(map(str, step.forward(name).shape))
        back = f' <a href="#b-{name}">δ</a>' if layer.kind != "softmax" else ""
        rows.append(f'<tr><th scope="row">{link(name, "f")}{back}</th><td>{what}</td><td class="size">{size}</td>'
                    f'<td>{", ".join(layer.inputs)}</td></tr>')
    return scrollable("\n".join(rows))


def input_card(step):
    """Return the card of the input and the labels."""
    return card("f-input", "input and truth", "section 9", "<p>The frame, scaled, and its mask: 1 is cell.</p>",
                grids(grid(step.x[0, ..., 0], "input"), grid(step.labels[0], "truth")))


def forward_card(step, layer):
    """Return the card of what a layer makes on the way forward."""
    name, (what, equation, source) = layer.name, FORWARD[kind_of(layer)]
    worked = worked_forward(step, name)
    content = [formula(equation)]
    if layer.kind in ("conv", "deconv"):
        content.append(weights(step.parameter(name), "w"))
    if layer.kind == "bias":
        content.append(f"<p>b = {', '.join(map(number, step.parameter(name)))}</p>")
    if layer.kind == "dropout":
        content.append(channels(step.mask(name), "mask m", worked))
    content += [channels(step.forward(name), name, worked), sentence(name, worked)]
    back = f' · <a href="#b-{name}">its δ</a>' if layer.kind != "softmax" else ""
    content.append(f'<p class="links">made of {", ".join(link(each, "f") for each in layer.inputs)}{back}</p>')
    return card(f"f-{name}", name, f"{what}; {source}", *content)


def channels(array, caption, worked):
    """Return a grid for each channel of an array (H, W, C), with a frame around the number that is worked out."""
    i, j, channel = worked.place
    return grids(*(grid(array[..., c], f"{caption}, channel {c}", (i, j) if c == channel else None)
                   for c in range(array.shape[2])))


def weights(w, caption):
    """Return grids of all weights of a layer, or of the gradient with respect to them."""
    if w.shape[:2] == (1, 1):
        return grids(grid(w[0, 0], f"{caption}[c,o]"))
    return grids(*(grid(w[:, :, c, d], f"{caption}[·,·,{c},{d}]")
                   for c in range(w.shape[2]) for d in range(w.shape[3])))


def cost_card(step):
    """Return the card of the cost."""
    p, weights_of = step.forward("probabilities"), step.settings.class_weights
    truth = step.labels[0]
    own = np.take_along_axis(p, truth[..., None].astype(int), 2)[..., 0]
    each = -np.take(weights_of, truth) * np.log(own)
    cost = float(step.arrays["1/cost"])
    if not math.isclose(each.mean(), cost, rel_tol=1e-9):
        raise AssertionError(f"the cost is {cost}, worked out {each.mean()}")
    return card("f-cost", "cost", "weighted cross-entropy; eq. 60",
                formula("C = −1/n Σ_pixels  w_class · ln p[truth]"),
                f"<p>A pixel of cell counts {weights_of[1]:g} times, one of background {weights_of[0]:g}. "
                f"n = {step.pixels}.</p>",
                grids(grid(own, "p[truth]"), grid(each, "−w[class] · ln p[truth]")),
                f'<p class="worked">sums of the rows: {" + ".join(map(term, each.sum(axis=1)))} = '
                f"{number(each.sum())}<br>"
                f"C = {number(each.sum())} / {step.pixels} = {number(cost)}</p>")


def back_card(step, layer):
    """Return the card of the delta of what a layer makes."""
    name, worked, consumers = layer.name, worked_backward(step, layer.name), step.consumers[layer.name]
    content = []
    for consumer in consumers:
        way, equation, _ = BACK[kind_of(consumer)]
        before = "" if consumer.kind == "softmax" else f", from {link(consumer.name, 'b')}"
        if consumer.kind in ("conv", "deconv"):
            before += f', with <a href="#f-{consumer.name}">its weights</a>'
        content.append(formula(equation) + f"<p>Back {way}{before}.</p>")
    if len(consumers) > 1:
        content.append("<p>The map went two ways, down and across: the errors that come back from both are added.</p>")
    content += [channels(step.delta(name), f"δ of {name}", worked), sentence("δ", worked)]
    if layer.kind in ("conv", "deconv"):
        content.append(weight_gradients(step, layer))
    if layer.kind == "bias":
        content.append(formula("∂C/∂b[o] = Σ_i,j  δ[i,j,o]")
                       + "<p>eq. 35, summed, because all pixels share the bias: "
                       f"{', '.join(map(number, step.gradient(name)))}</p>")
    content.append(f'<p class="links"><a href="#f-{name}">its numbers</a></p>')
    source = "; ".join(dict.fromkeys(BACK[kind_of(consumer)][2] for consumer in consumers))
    return card(f"b-{name}", f"δ of {name}", source, *content)


def weight_gradients(step, layer):
    """Return the gradient with respect to the weights of a layer."""
    equation = {"deconv": "∂C/∂w[a,b,o,c] = Σ_i,j  δ[2i+a, 2j+b, o] · x[i,j,c]",
                "1x1": "∂C/∂w[c,o] = Σ_i,j  x[i,j,c] · δ[i,j,o]",
                "conv": f"∂C/∂w[a,b,c,o] = Σ_i,j  x[i+a−{HALF}, j+b−{HALF}, c] · δ[i,j,o]"}[kind_of(layer)]
    return formula(equation) + "<p>eq. 36, 47</p>" + weights(step.gradient(layer.name), "∂C/∂w")


def gradient_card(step):
    """Return the cards of one element of a gradient: its sum, and its finite difference."""
    name = "down0.conv.weight"
    a, b, c, o = index = step.weight_of(name)
    x, delta = step.x[0], step.delta("down0.conv")[..., o]
    seen = np.stack([[under(x, i, j, KERNEL)[a, b, c] for j in range(x.shape[1])] for i in range(x.shape[0])])
    together = seen * delta
    gradient = float(step.arrays[f"1/gradient/{name}"][index])
    if not math.isclose(together.sum(), gradient, rel_tol=1e-9):
        raise AssertionError(f"{name}{index}: {gradient}, worked out {together.sum()}")
    above, below = step.nudged(name, index, NUDGE), step.nudged(name, index, -NUDGE)
    quotient = (above - below) / (2 * NUDGE)
    rows = " + ".join(map(term, together.sum(axis=1)))
    return "".join([
        card("g-sum", f"{name}[{a},{b},{c},{o}]", "eq. 36",
             f"<p>The weight w = {number(step.network.parameters[name][index])} in the middle of the first layer's "
             "kernel. Each pixel of its output saw one pixel of the frame through it; the gradient is the sum of their "
             "products.</p>",
             formula(f"∂C/∂w = Σ_i,j  x[i,j] · δ[i,j,{o}]"),
             grids(grid(seen, "x that w multiplied"), grid(delta, f"δ of down0.conv, channel {o}"),
                   grid(together, "their products")),
             f'<p class="worked">sums of the rows: {rows} = {number(gradient)}</p>'),
        card("g-difference", "the same by a finite difference", "the definition of a slope",
             "<p>Without any calculus: change w a little up and down, run the whole network both times, and see how "
             "the cost changes.</p>",
             formula("(C(w + h) − C(w − h)) / 2h"),
             f'<p class="worked">h = {NUDGE:g}; C(w + h) = {above:.12f}; C(w − h) = {below:.12f}; quotient '
             f"{quotient:.10g}; by hand {gradient:.10g}; they differ by {abs(quotient - gradient):.1e}</p>",
             "<p>The tests do this for every parameter of the network, and of every layer.</p>")])


def update_cards(step):
    """Return a card for each of the three optimizers, with the updates of the weight."""
    name = "down0.conv.weight"
    index = step.weight_of(name)
    all_rows = step.updates(name, index)
    eta, mu = step.settings.learning_rate, step.settings.momentum
    cards = []
    for kind, equation, source, constants in (
            ("SGD", "w' = w − η ∂C/∂w", "eq. 10, 15", f"η = {eta:g}"),
            ("momentum", "v' = μ v − η ∂C/∂w;  w' = w + v'", "eq. 28-29",
             f"η = {eta:g}, μ = {mu:g}, v begins at 0"),
            ("Adam", "m' = β₁ m + (1−β₁) g;  v' = β₂ v + (1−β₂) g²;  "
                     "w' = w − α · (m' / (1−β₁ᵗ)) / (√(v' / (1−β₂ᵗ)) + ε)",
             "eq. 17-27, with the root that eq. 27 lacks",
             f"α = {ALPHA}, β₁ = {BETA1}, β₂ = {BETA2}, ε = {number(EPSILON)}, m and v begin at 0")):
        lines, m, v = [], 0.0, 0.0
        for t, row in enumerate(all_rows[kind], 1):
            w, g = row["w"], row["g"]
            if kind == "SGD":
                value = w - eta * g
                text = f"w' = {number(w)} − {eta:g} · {term(g)} = {number(value)}"
            elif kind == "momentum":
                before, v = v, mu * v - eta * g
                value = w + v
                text = (f"v' = {mu:g} · {term(before)} − {eta:g} · {term(g)} = {number(v)};  "
                        f"w' = {number(w)} + {term(v)} = {number(value)}")
            else:
                m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
                up, down = m / (1 - BETA1 ** t), v / (1 - BETA2 ** t)
                value = w - ALPHA * up / (math.sqrt(down) + EPSILON)
                text = (f"m' = {number(m)}, v' = {number(v)};  m' / (1−{BETA1}^{t}) = {number(up)}, "
                        f"v' / (1−{BETA2}^{t}) = {number(down)};  "
                        f"w' = {number(w)} − {ALPHA} · {term(up)} / √{number(down)} = {number(value)}")
            if not math.isclose(value, row["new"], rel_tol=1e-9):
                raise AssertionError(f"{kind}, step {t}: {row['new']}, worked out {value}")
            lines.append(f'<p class="worked">step {t}, C = {number(row["cost"])}, ∂C/∂w = {number(g)}:<br>{text}</p>')
        cards.append(card(f"u-{kind}", kind, source, formula(equation), f"<p>{constants}. All weights are changed at "
                          "once; dropout masks are new in every step, so the cost jumps.</p>", *lines))
    return "".join(cards)
