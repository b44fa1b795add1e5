"""Deviations in how blocks are joined: pooling, transposed convolution, skip and concatenation. In PyTorch."""

import torch
from deviation import Catalogue, only
from torch.nn import functional

POOLING, UPSAMPLING, SKIP = Catalogue("pooling"), Catalogue("upsampling"), Catalogue("skip")


def add_pool(name, right, pool, layers=None, **more):
    def change(net, plain, x, layer):
        return pool(x)
    POOLING.add(name, right, torch={"pool": only(layers, change) if layers else change}, layers=layers, **more)


def ties_share(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))


add_pool("average", "pool_average", lambda x: functional.avg_pool2d(x, 2))
add_pool("average in one layer", "pool_average", lambda x: functional.avg_pool2d(x, 2), "down1")
add_pool("ties to the last", "pool_ties_to_last", lambda x: functional.max_pool2d(x.flip(2, 3), 2).flip(2, 3))
add_pool("ties share", "pool_ties_share", ties_share)
add_pool("every other pixel", "pool_subsampled", lambda x: x[:, :, ::2, ::2])
add_pool("every other pixel, the second", "", lambda x: x[:, :, 1::2, 1::2])
add_pool("smallest", "", lambda x: -functional.max_pool2d(-x, 2))
add_pool("windows of 3 x 3", "", lambda x: functional.max_pool2d(x, 3, 2, 1))
add_pool("windows a pixel further", "", lambda x: functional.max_pool2d(x.roll((-1, -1), (2, 3)), 2))
add_pool("root mean square", "", lambda x: (functional.avg_pool2d(x * x, 2) + 1e-12) ** 0.5)
add_pool("sum", "", lambda x: 4 * functional.avg_pool2d(x, 2))
add_pool("largest and average", "", lambda x: (functional.max_pool2d(x, 2) + functional.avg_pool2d(x, 2)) / 2)
add_pool("without a gradient", "", lambda x: functional.max_pool2d(x, 2).detach())


def strided(net, plain, x, w, layer):
    return functional.conv2d(net.pad(x, w.shape[2], layer), w, stride=2)


POOLING.add("strided convolutions", "pool_strided", torch={
    "pool": lambda net, plain, x, layer: x, "conv": only("down1 down2", strided),
    "saved": lambda net, plain, tensors: {key: each for key, each in plain(tensors).items() if "pool" not in key}})


def add_deconv(name, right, deconv, layers=None, **more):
    """Add a deviation of the transposed convolutions; `deconv` takes x, w (in, out, 2, 2) and the right function."""
    def change(net, plain, x, w, layer):
        return deconv(x, w, lambda x, w: plain(x, w, layer))
    UPSAMPLING.add(name, right, torch={"deconv": only(layers, change) if layers else change}, layers=layers, **more)


def as_in_out(w):
    """Take the memory of (kh, kw, out, in) for (kh, kw, in, out), then to (in, out, kh, kw)."""
    i, o, kh, kw = w.shape
    return w.permute(2, 3, 1, 0).contiguous().reshape(kh, kw, i, o).permute(2, 3, 0, 1)


def interpolated(mode, filters, aligned=None):
    def deconv(x, w, plain):
        larger = functional.interpolate(x, scale_factor=2, mode=mode, align_corners=aligned)
        k = filters(w)
        return functional.conv2d(functional.pad(larger, (0, k.shape[3] - 1, 0, k.shape[2] - 1)), k)
    return deconv


def shuffled(x, w):
    """Return the transposed convolution of which the four pixels of a window are ordered by columns."""
    return functional.pixel_shuffle(functional.conv2d(x, w.permute(1, 3, 2, 0).reshape(-1, x.shape[1], 1, 1)), 2)


FILTERS = {"2 x 2 convolution": lambda w: w.transpose(0, 1),
           "mean of the kernel": lambda w: w.mean((2, 3), keepdim=True).transpose(0, 1),
           "sum of the kernel": lambda w: w.sum((2, 3), keepdim=True).transpose(0, 1)}
add_deconv("kernel flipped", "transposed_kernel_flipped", lambda x, w, plain: plain(x, w.flip(2, 3)))
add_deconv("kernel flipped at one level", "transposed_kernel_flipped",
           lambda x, w, plain: plain(x, w.flip(2, 3)), "up1")
add_deconv("rows and columns exchanged", "transposed_axes_transposed",
           lambda x, w, plain: plain(x, w.transpose(2, 3)))
add_deconv("memory read as (kh, kw, in, out)", "transposed_channels_swapped",
           lambda x, w, plain: plain(x, as_in_out(w)))
for _filters, _of in FILTERS.items():
    add_deconv(f"nearest and {_filters}", "upsample_nearest", interpolated("nearest", _of))
    add_deconv(f"bilinear and {_filters}", "upsample_bilinear", interpolated("bilinear", _of, False))
add_deconv("bilinear with aligned corners", "", interpolated("bilinear", FILTERS["mean of the kernel"], True))
add_deconv("bicubic", "", interpolated("bicubic", FILTERS["mean of the kernel"], False))
add_deconv("a pixel to the right", "", lambda x, w, plain: plain(x, w).roll(1, 3))
add_deconv("a pixel down and right, cropped", "", lambda x, w, plain: functional.pad(plain(x, w)[:, :, :-1, :-1],
                                                                                 (1, 0, 1, 0)))
add_deconv("a quarter of it", "", lambda x, w, plain: plain(x, w) / 4, hint="factor")
add_deconv("every other pixel 0", "", lambda x, w, plain: plain(x, w * w.new_tensor([[1, 0], [0, 0]])))
add_deconv("kernel turned by a quarter", "", lambda x, w, plain: plain(x, w.rot90(1, (2, 3))))
add_deconv("shuffled by columns", "transposed_axes_transposed", lambda x, w, plain: shuffled(x, w))


def add_skip(name, right, skip, layers=None, **more):
    """Add a deviation of what goes across; `skip` takes it and the implementation and the layer it comes from."""
    def change(net, plain, x, layer):
        return skip(plain(x, layer), net, layer)
    across = layers and layers.replace("up", "down")
    SKIP.add(name, right, torch={"skip": only(across, change) if layers else change}, layers=layers, **more)


def add_concat(name, right, concat, layers=None, **more):
    def change(net, plain, skip, x, layer):
        return concat(skip, x)
    SKIP.add(name, right, torch={"concat": only(layers, change) if layers else change}, layers=layers, **more)


add_skip("detached", "skip_detached", lambda x, net, layer: x.detach())
add_skip("detached at one level", "skip_detached", lambda x, net, layer: x.detach(), "up0")
add_skip("before the activation", "skip_before_activation", lambda x, net, layer: net.forward_tensors[f"{layer}.bias"])
add_skip("before the activation at one level", "skip_before_activation",
         lambda x, net, layer: net.forward_tensors[f"{layer}.bias"], "up1")
add_skip("before the bias", "", lambda x, net, layer: net.forward_tensors[f"{layer}.dropout"])
add_skip("before the dropout", "", lambda x, net, layer: net.forward_tensors[f"{layer}.conv"])
add_skip("halved", "", lambda x, net, layer: x / 2, hint="factor")
add_skip("missing", "", lambda x, net, layer: 0 * x)
add_skip("a pixel to the right", "", lambda x, net, layer: x.roll(1, 3))
add_skip("after pooling", "", lambda x, net, layer: functional.interpolate(functional.max_pool2d(x, 2), scale_factor=2))
add_skip("of the other image", "", lambda x, net, layer: x.flip(0))
add_concat("swapped", "concat_swapped", lambda skip, x: torch.cat([x, skip], 1))
add_concat("swapped at one level", "concat_swapped", lambda skip, x: torch.cat([x, skip], 1), "up1")
add_concat("added, twice", "", lambda skip, x: torch.cat([skip + x, skip + x], 1))
add_concat("added to one half", "", lambda skip, x: torch.cat([skip, x + skip], 1))
add_concat("channels in turn", "", lambda skip, x: torch.stack([skip, x], 2).flatten(1, 2))
add_concat("what comes from below twice", "", lambda skip, x: torch.cat([x, x], 1))
SKIP.add("what comes from below detached", "without_gradient=parameters", layers="down1 down2 up0 up1", family="frozen",
         hint="zero", torch={"concat": lambda net, plain, skip, x, layer: torch.cat([skip, x.detach()], 1)})
SKIP.add("wrong level", "", layers="up0", torch={"concat": only("up0", lambda net, plain, skip, x, layer: torch.cat([
    functional.interpolate(net.forward_tensors["down1.relu"], scale_factor=2)[:, :skip.shape[1]], x], 1))})
SKIP.add("bias of the other way", "", layers="up0", torch={"do_bias": only("up0", lambda net, plain, x, layer: net.bias(
    x, net.parameters["down0.conv.bias"], layer))})
SKIP.add("inputs of a level in reverse order", "", layers="up0", torch={"do_conv": only(
    "up0", lambda net, plain, x, layer: net.conv(x, net.parameters["up0.conv.weight"].flip(1), layer))})
