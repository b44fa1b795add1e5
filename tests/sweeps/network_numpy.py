"""The network of docs/golden.md in NumPy, (N, H, W, C): products of columns, and each layer's gradient by hand.

A layer returns its output and a function that takes the output's gradient and returns that of the input; gradients with
respect to parameters are kept on the way.
"""

import numpy as np
from implementation import Implementation
from numpy.lib.stride_tricks import sliding_window_view


class Numpy(Implementation):
    """The network in NumPy; each method is a place for deviations."""

    def tensor(self, array):
        return array

    def array(self, tensor):
        return np.array(tensor)

    def passes(self, parameters, x, labels):
        """Return cost and gradients of a step, and keep its tensors."""
        self.parameters, self.kept = parameters, {name: np.zeros_like(w) for name, w in parameters.items()}
        y, back = self.level(x, 0)
        y, back_conv = self.with_weight("output.conv", "output.weight", self.conv, y, "output")
        y, back_bias = self.with_bias("output.bias", "output.bias", y, "output")
        z, back_logits = self.named("logits", self.relu(y) if self.network["logits"] == "relu" else (y, lambda dy: dy))
        cost, dz = self.cost(z, labels)
        self.record("backward/input", back(back_conv(back_bias(back_logits(dz)))))
        self.record("forward/probabilities", softmax(z))
        return cost, self.kept

    def named(self, name, layer):
        """Return a layer's output and gradient, both kept under its name."""
        y, back = layer
        self.record(f"forward/{name}", y)

        def kept(dy):
            self.record(f"backward/{name}", dy)
            return back(dy)

        return y, kept

    def level(self, x, level):
        """Return what a level of the U and all below make of their input, and the gradient."""
        x, back_down = self.block(x, f"down{level}")
        if level == self.levels - 1:
            return x, back_down
        name = f"up{level}"
        y, back_pool = self.named(f"down{level}.pool", self.pool(x, f"down{level}"))
        y, back_below = self.level(y, level + 1)
        y, back_deconv = self.with_weight(f"{name}.deconv", f"{name}.deconv.weight", self.deconv, y, name)
        y, back_bias = self.with_bias(f"{name}.deconv_bias", f"{name}.deconv.bias", y, name)
        y, back_relu = self.named(f"{name}.deconv_relu", self.deconv_activation(y, name))
        y, back_concat = self.named(f"{name}.concat", self.concat(x, y, name))
        y, back_up = self.block(y, name)

        def back(dy):
            dskip, dy = back_concat(back_up(dy))
            dy = back_pool(back_below(back_deconv(back_bias(back_relu(dy)))))
            return back_down(self.joined(dskip, dy, name))

        return y, back

    def joined(self, dskip, dpool, layer):
        """Return the gradient of a map that goes across and down."""
        return dskip + dpool

    def with_weight(self, name, parameter, layer, x, *rest):
        y, back = layer(x, self.parameters[parameter], *rest)

        def kept(dy):
            dx, self.kept[parameter] = back(dy)
            return dx

        return self.named(name, (y, kept))

    def with_bias(self, name, parameter, x, layer):
        y, back = self.bias(x, self.parameters[parameter], layer)

        def kept(dy):
            dx, self.kept[parameter] = back(dy)
            return dx

        return self.named(name, (y, kept))

    def order(self, layer):
        """Return what a block is made of, in the order of the data."""
        return "conv dropout bias relu"

    def block(self, x, layer):
        backs = []
        for what in self.order(layer).split():
            x, back = getattr(self, f"do_{what}")(x, layer)
            backs.append(back)

        def back_all(dy):
            for back in reversed(backs):
                dy = back(dy)
            return dy

        return x, back_all

    def do_conv(self, x, layer):
        return self.with_weight(f"{layer}.conv", f"{layer}.conv.weight", self.conv, x, layer)

    def do_dropout(self, x, layer):
        keep_prob = self.training["keep_prob"]
        return self.named(f"{layer}.dropout", (x, lambda dy: dy) if keep_prob == 1 else
                          self.dropout(x, self.mask(layer), keep_prob, layer))

    def do_bias(self, x, layer):
        return self.with_bias(f"{layer}.bias", f"{layer}.conv.bias", x, layer)

    def do_relu(self, x, layer):
        return self.named(f"{layer}.relu", self.activation(x, layer))

    def product(self, a, b):
        """Return the product of two matrices: all sums of products of the network are such."""
        return a @ b

    def pad(self, x, kernel, layer):
        before, after = (kernel - 1) // 2, kernel // 2
        h, w = x.shape[1:3]
        return (np.pad(x, ((0, 0), (before, after), (before, after), (0, 0))),
                lambda dy: dy[:, before:before + h, before:before + w])

    def conv(self, x, w, layer):
        k, _, i, o = w.shape
        padded, unpad = self.pad(x, k, layer)
        windows = sliding_window_view(padded, (k, k), (1, 2)).transpose(0, 1, 2, 4, 5, 3)    # (N, H, W, k, k, C)
        shape = windows.shape[:3]
        columns, matrix = windows.reshape(-1, k * k * i), w.reshape(-1, o)

        def back(dy):
            rows = dy.reshape(-1, o)
            dwindows = self.product(rows, matrix.T).reshape(windows.shape)
            dpadded = np.zeros_like(padded)
            for a in range(k):
                for b in range(k):
                    dpadded[:, a:a + shape[1], b:b + shape[2]] += dwindows[:, :, :, a, b]
            return unpad(dpadded), self.product(columns.T, rows).reshape(w.shape)

        return self.product(columns, matrix).reshape(*shape, o), back

    def dropout(self, x, mask, keep_prob, layer):
        return x * mask / keep_prob, lambda dy: dy * mask / keep_prob

    def bias(self, x, b, layer):
        return x + b, lambda dy: (dy, dy.sum((0, 1, 2)))

    def relu(self, x):
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    def activation(self, x, layer):
        return self.relu(x)

    def deconv_activation(self, x, layer):
        return self.relu(x)

    def pool(self, x, layer):
        windows = in_windows(x)
        first = windows.argmax(-1)[..., None]

        def back(dy):
            dx = np.zeros_like(windows)
            np.put_along_axis(dx, first, dy[..., None], -1)
            return out_of_windows(dx)

        return np.take_along_axis(windows, first, -1)[..., 0], back

    def deconv(self, x, w, layer):
        n, h, wide, i = x.shape
        k, _, o, _ = w.shape
        matrix, columns = w.reshape(-1, i), x.reshape(-1, i)

        def back(dy):
            rows = dy.reshape(n, h, k, wide, k, o).transpose(0, 1, 3, 2, 4, 5).reshape(-1, k * k * o)
            return self.product(rows, matrix).reshape(x.shape), self.product(rows.T, columns).reshape(w.shape)

        y = self.product(columns, matrix.T).reshape(n, h, wide, k, k, o)
        return y.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * k, wide * k, o), back

    def concat(self, skip, x, layer):
        cut = skip.shape[-1]
        return np.concatenate([skip, x], -1), lambda dy: (dy[..., :cut], dy[..., cut:])

    def cost(self, z, labels):
        """Return the cost, and the gradient with respect to the logits."""
        weights = self.pixel_weights(labels)[..., None].astype(z.dtype)
        p, log_p = softmax(z), log_softmax(z)
        target = np.eye(z.shape[-1], dtype=z.dtype)[labels]
        return (weights * -(target * log_p).sum(-1, keepdims=True)).sum(), weights * (p - target)


def in_windows(x):
    """Return the 2 x 2 windows of (N, H, W, C), side by side in a last axis."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 5, 2, 4).reshape(n, h // 2, w // 2, c, 4)


def out_of_windows(windows):
    """Return what `in_windows` has taken apart."""
    n, h, w, c, _ = windows.shape
    return windows.reshape(n, h, w, c, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * h, 2 * w, c)


def log_softmax(z, axis=-1):
    shifted = z - z.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)
