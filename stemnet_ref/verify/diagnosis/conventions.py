"""The conventions in which implementations are known to differ from the reference.

Each is tried by computing what departs once more under it (`expected`), and named when the other side's numbers come
out.
"""

from typing import NamedTuple

from ..expected.costs import EPSILONS
from ..expected.operations import BATCH_NORM_EPSILONS
from ..expected.rounding import Held


class Convention(NamedTuple):
    """One way to differ."""

    does: str           # what the other side does
    reference: str      # what the reference does, with the equation
    change: str         # the line to change
    values: tuple = ()  # those that are tried, of a convention that has one; it stands in `does` as {value}


def _alike(reference, change, **does):
    """Return conventions that differ from the same, by name."""
    return {name: Convention(each, reference, change) for name, each in does.items()}


LISTING = {1e-10: ", as in the listing", 1e-7: ", as Keras does"}
LOGARITHM = "log softmax = z - max - log sum exp(z - max), and the gradient p - y everywhere (eq. 8, 48)"
SCALED = "x = (frame - mean) / std (section 6.1)"
# What stands in braces in the texts below, by the golden file's momentum_form and adam_form
FORMS = {
    "thesis": {
        "rate": "is outside the velocity", "momentum": "v' = mu v - eta g, w' = w + v' (eq. 28-29)",
        "velocity": "v = mu * v - eta * g; w += v",
        "other_momentum": "write v = mu * v - eta * g; w += v, as Keras does; torch.optim.SGD has the other form, "
                          "which differs once the learning rate changes"},
    "tensorflow": {
        "rate": "is inside the velocity", "momentum": "v' = mu v + g, w' = w - eta v'",
        "velocity": "v = mu * v + g; w -= eta * v",
        "other_momentum": "write torch.optim.SGD, or v = mu * v + g; w -= eta * v"},
    "adam kingma": {
        "root": "uncorrected", "adam": "m_hat / (sqrt(v_hat) + epsilon) (eq. 27)",
        "other_adam": "use torch.optim.Adam, or export with --adam-form tensorflow; Keras's Adam has this other form, "
                      "which epsilon * sqrt(1 - beta2^t) undoes"},
    "adam tensorflow": {
        "root": "corrected", "adam": "lr_t m / (sqrt(v) + epsilon) (eq. 22)",
        "other_adam": "use tf.keras.optimizers.Adam, or export with --adam-form kingma"},
}
CONVENTIONS = {
    # what goes in
    **_alike("x = (frame - mean) / std of the training frames (section 6.1)",
             "write x = (frame - mean) / std, with both numbers from the golden file",
             input_divided_by_255="the frames go in divided by 255",
             input_raw="the frames go in as they are, from 0 to 255"),
    **_alike(SCALED, "write x = (frame - mean) / std",
             input_not_centred="the mean is not subtracted from the frames",
             input_not_divided="the frames are centred but not divided by their standard deviation"),
    "input_minus_127": Convention(
        "127 is subtracted from the frames and nothing else, as in the listing",
        "x = (frame - mean) / std (section 6.1, row 2)", "write x = (frame - mean) / std"),
    **_alike(SCALED, "take out the second scaling",
             input_times_255="the input is multiplied by 255 after it was scaled",
             input_over_255="the input is divided by 255 after it was scaled (as torchvision's ToTensor does with "
                            "bytes)"),
    "nhwc_read_as_nchw": Convention(
        "the input's memory, (N, H, W, C), is read as (N, C, H, W)", "channels last",
        "write x.transpose(0, 3, 1, 2), not x.reshape(n, c, h, w)"),
    "frames_reversed": Convention(
        "the frames of the window go in in reverse order", "channel c is frame j - (C-1)/2 + c, the earliest first",
        "stack the frames as they follow in time"),
    # convolutions
    "padding_other_side": Convention(
        'the odd row and column of "same" padding are before the image, not after it',
        "k // 2 of the k - 1 rows below, (k - 1) // 2 above (eq. 30, top)",
        "write F.pad(x, ((k - 1) // 2, k // 2, (k - 1) // 2, k // 2)) before F.conv2d(x, w)"),
    "kernel_flipped": Convention(
        "the kernel is flipped, a true convolution", "a correlation, y[i,j] = sum of x[i+a-top, j+b-left] w[a,b] "
        "(section 4, eq. 30)", "write F.conv2d(x, w), not w.flip(2, 3); with SciPy, correlate, not convolve"),
    "filter_axes_transposed": Convention(
        "the filters' rows and columns are exchanged", "filters (kh, kw, in, out)",
        "write w.transpose(3, 2, 0, 1) for PyTorch's (out, in, kh, kw), not w.transpose(3, 2, 1, 0) or w.T"),
    "filters_reshaped": Convention(
        "the filters' memory is read as (out, in, kh, kw)", "filters (kh, kw, in, out)",
        "write w.transpose(3, 2, 0, 1), not w.reshape(out, in, kh, kw)"),
    "filter_channels_swapped": Convention(
        "the filters' channels in and out are exchanged", "filters (kh, kw, in, out) (eq. 30)",
        "write w.transpose(3, 2, 0, 1), not w.transpose(2, 3, 0, 1)"),
    "transposed_kernel_flipped": Convention(
        "the transposed convolution's kernel is flipped", "y[s*i+a, s*j+b] += x[i,j] w[a,b] (section 5.1)",
        "write F.conv_transpose2d(x, w), not w.flip(2, 3)"),
    "transposed_axes_transposed": Convention(
        "the rows and columns of the transposed convolution's filters are exchanged", "filters (kh, kw, out, in)",
        "write w.transpose(3, 2, 0, 1) for PyTorch's (in, out, kh, kw)"),
    "transposed_channels_swapped": Convention(
        "the channels of the transposed convolution's filters are exchanged: their memory is read as (kh, kw, in, out)",
        "filters (kh, kw, out, in), as tf.nn.conv2d_transpose takes them",
        "write w.transpose(3, 2, 0, 1) for PyTorch's (in, out, kh, kw), and no reshape"),
    "transposed_crop_other_side": Convention(
        "the odd row and column of the transposed convolution are cropped at the other side",
        "max(k - s, 0) // 2 rows cropped above, the rest below (section 5.1)",
        "write F.conv_transpose2d(x, w, stride=s)[:, :, top:top + s * h, left:left + s * w]; PyTorch's "
        "padding and output_padding crop the other side where k - s is odd"),
    "transposed_crop_at_end": Convention(
        "the transposed convolution is cropped at the end alone", "max(k - s, 0) // 2 rows cropped above (section 5.1)",
        "write F.conv_transpose2d(x, w, stride=s)[:, :, top:top + s * h, left:left + s * w]"),
    # what follows a convolution
    "dropout_not_rescaled": Convention(
        "what dropout keeps is not scaled up", "y = x m / keep_prob (section 8.1, row 9)",
        "write y = x * mask / keep_prob, and leave the weights alone at prediction"),
    "dropout_keep_for_drop": Convention(
        "the probability to keep is taken for that to drop: what is kept is divided by 1 - keep_prob",
        "y = x m / keep_prob (section 8.1)", "write nn.Dropout(1 - keep_prob), tf.nn.dropout(x, rate=1 - keep_prob)"),
    "dropout_mask_inverted": Convention(
        "the mask is taken the other way round: ones are dropped", "1 in the mask means keep (section 8.1)",
        "write y = x * mask / keep_prob, not x * (1 - mask)"),
    "dropout_ignored": Convention(
        "dropout is not applied", "y = x m / keep_prob in training (section 8.1)",
        "call model.train(), or pass training=True, and apply the masks of the golden file"),
    "bias_before_dropout": Convention(
        "the bias is added before the dropout", "convolution, dropout, bias, ReLU in this order (section 9, row 9)",
        "give the convolution no bias (nn.Conv2d(..., bias=False)) and add it after the dropout"),
    "dropout_after_relu": Convention(
        "the dropout comes after the ReLU", "convolution, dropout, bias, ReLU in this order (section 9, row 9)",
        "write relu(dropout(conv(x)) + bias)"),
    "relu_before_bias": Convention(
        "the bias is added after the ReLU", "convolution, dropout, bias, ReLU in this order (section 9, row 9)",
        "write relu(dropout(conv(x)) + bias)"),
    "relu_on_logits": Convention(
        "a ReLU is applied to the logits, as in the listing", "linear logits (section 9, row 3)",
        "take the ReLU out of the last layer; or export with --logits relu"),
    "logits_linear": Convention(
        "the logits are linear", "ReLU on them, as the listing has it (row 3)",
        "write z = relu(z); or export with --logits linear"),
    "pool_ties_to_last": Convention(
        "where several pixels of a window are largest, the gradient goes to the last of them",
        "the first in rows, then columns (section 4.3)", "use F.max_pool2d or tf.nn.max_pool2d, which take the first"),
    "pool_ties_share": Convention(
        "where several pixels of a window are largest, they share the gradient",
        "the first takes it all (section 4.3)",
        "use F.max_pool2d or tf.nn.max_pool2d; amax, jnp.max and tf.reduce_max share it"),
    "pool_average": Convention(
        "windows are averaged", "their largest value (section 4.3)",
        "write F.max_pool2d(x, 2), not F.avg_pool2d"),
    "deconv_relu_missing": Convention(
        "there is no ReLU after the transposed convolution", "transposed convolution, bias, ReLU (section 9)",
        "write F.relu(deconv(x)) before the concatenation"),
    "concat_swapped": Convention(
        "the concatenation has the map from below first", "[output of the way down, map from below] (section 9)",
        "write torch.cat([skip, x], dim=1), tf.concat([skip, x], axis=-1)"),
    # batch normalisation
    **_alike(
        "that of its options, (x - mean) / sqrt(variance + epsilon) (eq. 56)",
        "give both the same; nn.BatchNorm2d has eps=1e-5, Keras epsilon=1e-3",
        **{f"batch_norm_epsilon_{each:g}": f"the epsilon of the batch normalisation is {each:g}"
           for each in BATCH_NORM_EPSILONS if each},
        batch_norm_epsilon_0="the batch normalisation has no epsilon"),
    "batch_norm_unbiased": Convention(
        "the batch is normalised by the unbiased variance, divided by n - 1",
        "the mean of (x - mean)^2 over all n pixels (eq. 58)", "write x.var(unbiased=False), or np.var(x, ddof=0)"),
    **_alike("(x - mean) / sqrt(variance + epsilon) (eq. 56)", "write np.sqrt(variance + epsilon)",
             batch_norm_epsilon_outside="the epsilon of the batch normalisation is added outside the root",
             batch_norm_epsilon_subtracted="the epsilon of the batch normalisation is subtracted, as eq. 56 is "
                                           "printed"),
    # cost
    "softmax_twice": Convention(
        "the softmax is applied twice", "the cost of logits (eq. 5, 8)",
        "give F.cross_entropy and ..._with_logits the logits, not the probabilities"),
    "cost_over_weights": Convention(
        "the cost is divided by the sum of the pixels' weights", "1/n, n the number of pixels (eq. 60, row 5)",
        'write F.cross_entropy(z, y, w, reduction="none").mean(); reduction="mean" divides by the weights'),
    "cost_summed": Convention(
        "the cost is summed over the pixels", "their mean (eq. 60)",
        'write reduction="none" and .mean(), tf.reduce_mean'),
    "cost_summed_over_image": Convention(
        "the cost is summed over each image's pixels and averaged over images", "the mean over all pixels (eq. 60)",
        "take the mean over all three axes"),
    "weight_plus_one": Convention(
        "the cell's weight is 1 + w, as in the listing", "w on the cell, 1 on the background (eq. 60, row 4)",
        "write weight = torch.where(y == 1, w, 1), not 1 + w * y; or export with --class-weight-form listing"),
    "weight_without_one": Convention(
        "the cell's weight is w", "1 + w, as the listing has it (row 4)",
        "write 1 + w * y; or export with --class-weight-form eq60"),
    "weights_ignored": Convention(
        "the cost has no class weights", "w on the cell, 1 on the background (eq. 60)",
        "write F.cross_entropy(z, y, weight=torch.tensor([1, w]), ...)"),
    "weights_exchanged": Convention(
        "the background has the cell's weight", "class 0 is background, weight 1; class 1 the cell (eq. 60)",
        "write weight=torch.tensor([1, w])"),
    **_alike(LOGARITHM, "give the logits to F.cross_entropy or tf.nn.sparse_softmax_cross_entropy_with_logits",
             **{name: does for epsilon in EPSILONS for name, does in (
                 (f"log_clipped_{epsilon}", f"the probabilities are clipped at {epsilon} before the logarithm"
                                            f"{LISTING.get(epsilon, '')}"),
                 (f"log_plus_{epsilon}", f"{epsilon} is added to the probabilities before the logarithm"))}),
    "log_clipped_twice": Convention(
        "the probabilities are clipped at 1e-7 and 1 - 1e-7 before the logarithm, as Keras does",
        LOGARITHM, "write SparseCategoricalCrossentropy(from_logits=True) and give it logits"),
    # learning rate and optimizers
    "decay_every_step": Convention(
        "the learning rate decays after every step",
        "eta decay^epoch, constant within an epoch (Tables 1 and 2, row 8)",
        "call scheduler.step() once an epoch; ExponentialDecay(eta, steps_per_epoch, decay, staircase=True)"),
    "decay_not_staircase": Convention(
        "the learning rate decays a little every step", "eta decay^epoch, constant within an epoch (row 8)",
        "write staircase=True, or math.floor(step / steps_per_epoch)"),
    "decay_ignored": Convention(
        "the learning rate does not decay", "eta decay^epoch (Tables 1 and 2, row 8)",
        "add optim.lr_scheduler.ExponentialLR(optimizer, decay) and step it once an epoch"),
    "gradients_accumulated": Convention(
        "the gradients of earlier steps are added to those of a step", "each step's own (eq. 15)",
        "call optimizer.zero_grad() before backward()"),
    "rate_in_float32": Convention(
        "the learning rate is rounded to float32, as Keras keeps it", "float64 here",
        'call tf.keras.backend.set_floatx("float64") first; or export without --float64'),
    "constants_in_float32": Convention(
        "momentum, or Adam's beta1 and beta2, are rounded to float32, as tf.cast does with Python's numbers",
        "float64 here",
        "write optimizer.momentum = tf.constant(mu, tf.float64); or export without --float64"),
    "momentum_other_form": Convention(
        "the momentum is in the other form, in which the learning rate {rate}", "{momentum} (row 6)",
        "{other_momentum}"),
    "momentum_dampening": Convention(
        "the gradient enters the velocity times 1 - mu (dampening) from the second step on",
        "{momentum}", "leave out PyTorch's dampening: {velocity}"),
    "momentum_average": Convention(
        "the gradient enters the velocity times 1 - mu, a moving average", "{momentum}", "write {velocity}"),
    "momentum_nesterov": Convention(
        "the momentum is Nesterov's", "{momentum}", "leave out nesterov=True: {velocity}"),
    "momentum_ignored": Convention("there is no momentum", "{momentum}", "write {velocity}"),
    "adam_epsilon_in_root": Convention(
        "Adam's epsilon stands inside the root", "m_hat / (sqrt(v_hat) + epsilon) (eq. 27)",
        "write sqrt(v) + epsilon, not sqrt(v + epsilon); optax: eps, not eps_root"),
    "adam_other_epsilon_hat": Convention(
        "Adam's epsilon is added to the {root} root", "{adam}", "{other_adam}"),
    "adam_epsilon_keras": Convention(
        "Adam's epsilon is 1e-7, Keras's default", "the golden file's epsilon (eq. 27)",
        "write Adam(..., epsilon=1e-8)"),
    "adam_no_bias_correction": Convention(
        "Adam's averages are not corrected for their beginning at 0",
        "m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t) (eq. 25-26)",
        "divide by 1 - beta ** t, t counted from 1"),
    "weight_decay_on_biases": Convention(
        "the weight decay is on the biases too", "it on the weights alone (eq. 54)",
        "give the biases a parameter group of their own with weight_decay=0"),
    "weight_decay_decoupled": Convention(
        "the weight decay is decoupled from the gradient, as in AdamW", "it in the gradient, g + lambda/N w (eq. 53)",
        "write torch.optim.Adam or SGD with weight_decay, not AdamW"),
    "weight_decay_ignored": Convention(
        "there is no weight decay", "lambda/N w added to the gradient (eq. 53)",
        "write weight_decay= the golden file's"),
    "adamw_default": Convention(
        "the weights decay as AdamW does it, by its default of 0.01", "none here",
        "write torch.optim.Adam, or AdamW(..., weight_decay=0)"),
    # precision
    "tf32": Convention(
        "products are done in TF32, with 10 bits behind the point", "float32, with 23",
        'write torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False, '
        'tf.config.experimental.enable_tensor_float_32_execution(False), jax_default_matmul_precision="highest"'),
    "half": Convention(
        "layers are done in half precision (float16), with 10 bits behind the point", "float32, with 23",
        "leave out autocast and .half() where you verify"),
    "bfloat16": Convention(
        "layers are done in bfloat16, with 7 bits behind the point", "float32, with 23",
        "leave out autocast and mixed precision where you verify"),
    "float32": Convention(
        "layers are done in float32", "float64 here",
        "write torch.set_default_dtype(torch.float64), jax_enable_x64=True; or export without --float64"),
}
for _mode in ("even", "truncated"):
    CONVENTIONS[f"tf32_{_mode}"] = CONVENTIONS["tf32"]


def everywhere(name):
    """Return a convention with each of its values that are tried, a list of Held."""
    return [Held(name, value=value) for value in CONVENTIONS[name].values or (None,)]


def sentence(held, training, scope=""):
    """Return the diagnosis of a convention found, one sentence.

    Parameters
    ----------
    held : expected.rounding.Held
    training : dict
        The golden file's settings: what the other form is depends on them.
    scope : str
        What `scopes.words` says of where it holds.
    """
    does, reference, change = CONVENTIONS[held.name][:3]
    text = f"{scope}{does}; the reference has {reference}; {change}."
    if "{" in text:
        value = held.value if held.value is None else f"{held.value:.4g}"
        text = text.format(value=value, **FORMS[training["momentum_form"]], **FORMS[f"adam {training['adam_form']}"])
    return text[0].upper() + text[1:]
