"""Conventions in which a layer is replaced by another: activations, borders, interpolation, biases, dropout, skips."""

from .convention import Convention, alike

RELU = "max(x, 0) (eq. 37)"
BORDERS = "0 beyond the image (section 4)"
UPSAMPLING = "a transposed convolution, y[2i+a, 2j+b] = x[i,j] w[a,b] (section 5.1)"
ORDER = "convolution, dropout, bias, ReLU in this order (section 9, row 9)"
ACTIVATIONS = {**{f"leaky_relu_{slope}": f"LeakyReLU with slope {slope}" for slope in (0.01, 0.05, 0.1, 0.2, 0.3)},
               "elu": "ELU", "selu": "SELU", "gelu": "GELU", "gelu_tanh": "GELU in its approximation by tanh",
               "silu": "SiLU (swish)", "softplus": "softplus", "tanh": "tanh", "activation_sigmoid": "sigmoid",
               "relu6": "ReLU6, which stops at 6"}
CONVENTIONS = {
    **alike(BORDERS, 'write padding="same", padding_mode="zeros", or F.pad(x, sides), before the convolution',
            padding_reflect='the convolutions see the image mirrored at its borders (padding mode "reflect")',
            padding_symmetric='the convolutions see the image mirrored at its borders, border pixels twice (tf.pad\'s '
                              'mode "SYMMETRIC")',
            padding_replicate='the convolutions see the border pixels repeated (padding mode "replicate")',
            padding_circular='the convolutions see the opposite side beyond a border (padding mode "circular")'),
    "bias_missing": Convention(
        "the bias is missing, or is 0", "x + b after the dropout (eq. 30)",
        "add the golden file's bias, a parameter of shape (C,)"),
    **alike(ORDER, "write relu(dropout(conv(x)) + bias)", relu_before_bias="the bias is added after the ReLU",
            dropout_after_relu="the dropout comes after the ReLU"),
    "dropout_of_channels": Convention(
        "the dropout keeps or drops whole channels", "a mask of its own for every pixel (section 8.1)",
        "write nn.Dropout, not nn.Dropout2d, and apply the golden file's masks as they are"),
    "dropout_mask_of_first_step": Convention(
        "the dropout has the first step's mask in every step", "a new mask in every step (section 8.1)",
        "apply STEP/mask/NAME of the golden file"),
    **alike(RELU, "write F.relu(x)", **{name: f"the activation is {what}" for name, what in ACTIVATIONS.items()},
            activation_missing="there is no activation"),
    "pool_subsampled": Convention(
        "every other row and column is taken, and no maximum", "the largest value of 2 x 2 pixels (section 4.3)",
        "write F.max_pool2d(x, 2), not x[:, :, ::2, ::2] and no stride in a convolution"),
    **{f"upsample_{mode}": Convention(
        f"the maps are enlarged by {mode} interpolation and a convolution with the transposed convolution's filters",
        UPSAMPLING, "write F.conv_transpose2d(x, w, stride=2), not F.interpolate", (1.0, 2.0, 3.0))
       for mode in ("nearest", "bilinear")},
    "skip_detached": Convention(
        "no gradient goes back through the map of the way down that is concatenated",
        "the sum of both ways' gradients (section 9)", "write torch.cat([skip, x], dim=1), without skip.detach()"),
    "skip_before_activation": Convention(
        "the map of the way down is concatenated as it is before its ReLU", "[output of the way down, map from below], "
        "after the ReLU (section 9)", "keep the map after F.relu for the concatenation"),
}
