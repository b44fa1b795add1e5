"""StemNet in PyTorch, as one would write it there: the reference's twin, and a place to start from.

Arrays are (N, C, H, W) here, filters (out, in, kh, kw), transposed-conv filters (in, out, kh, kw): `from_reference` and
`to_reference` convert. Dropout takes the reference's masks, so that both can be compared number for number.
"""

import torch
from torch import nn
from torch.nn import functional


class ConvBlock(nn.Module):
    """Convolution, dropout, bias, ReLU: the bias comes after the dropout, so the convolution has none."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, mask=None, keep_prob=1.0):
        z = self.conv(x)
        if mask is not None:
            z = z * mask / keep_prob
        elif keep_prob < 1:
            z = functional.dropout(z, 1 - keep_prob)
        return functional.relu(z + self.bias[:, None, None])


class StemNet(nn.Module):
    """The network of the thesis; arguments as those of `stemnet_ref.StemNet`, the kernel odd."""

    def __init__(self, channels=1, levels=6, features=16, classes=2, kernel=5, logits="linear"):
        super().__init__()
        widths = [features * 2 ** level for level in range(levels)]
        self.logits = logits
        self.down = nn.ModuleList(ConvBlock(i, o, kernel) for i, o in zip([channels, *widths], widths, strict=False))
        self.deconv = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[:-1])
        self.up = nn.ModuleList(ConvBlock(2 * width, width, kernel) for width in widths[:-1])
        self.output = nn.Conv2d(features, classes, 1)

    def forward(self, x, masks=None, keep_prob=1.0):
        """Return the logits (N, classes, H, W).

        `masks`: one for each 5x5 convolution, in the order of the data; without them PyTorch draws its own.
        """
        masks = iter(masks if masks is not None else [None] * (len(self.down) + len(self.up)))
        skips = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x, next(masks), keep_prob)
            skips.append(x)
        skips.pop()
        for deconv, block in zip(reversed(self.deconv), reversed(self.up), strict=True):
            x = torch.cat([skips.pop(), functional.relu(deconv(x))], dim=1)
            x = block(x, next(masks), keep_prob)
        z = self.output(x)
        return functional.relu(z) if self.logits == "relu" else z

    def reference_names(self):
        """Return {the reference's name of a parameter: the parameter}."""
        named = {}
        for prefix, blocks in (("down", self.down), ("up", self.up)):
            for level, block in enumerate(blocks):
                named[f"{prefix}{level}.conv.weight"] = block.conv.weight
                named[f"{prefix}{level}.conv.bias"] = block.bias
        for level, deconv in enumerate(self.deconv):
            named[f"up{level}.deconv.weight"], named[f"up{level}.deconv.bias"] = deconv.weight, deconv.bias
        named["output.weight"], named["output.bias"] = self.output.weight, self.output.bias
        return named

    def load_reference(self, parameters):
        """Take over the parameters of the reference, a dict of NumPy arrays by name."""
        with torch.no_grad():
            for name, parameter in self.reference_names().items():
                parameter.copy_(from_reference(parameters[name]))


def from_reference(array):
    """Return a tensor from a NumPy array: filters (kh, kw, a, b) become (b, a, kh, kw), vectors stay.

    For a convolution that is (out, in, kh, kw); for a transposed one, (kh, kw, out, in) there, (in, out, kh, kw).
    """
    tensor = torch.as_tensor(array)
    return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor


def to_reference(tensor):
    """Return a NumPy array in the reference's layout."""
    return (tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor).detach().numpy()


def nchw(array):
    """Return a tensor (N, C, H, W) from a NumPy array (N, H, W, C)."""
    return torch.as_tensor(array).permute(0, 3, 1, 2)


def nhwc(tensor):
    """Return a NumPy array (N, H, W, C) from a tensor (N, C, H, W)."""
    return tensor.permute(0, 2, 3, 1).detach().numpy()
