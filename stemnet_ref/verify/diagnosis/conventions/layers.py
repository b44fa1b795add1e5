"""Conventions of the layers, in the order of the data."""

from .convention import Convention, alike

CONVENTIONS = {
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
        "the mask is taken the other way round: ones are dropped", "1 in the mask for numbers to keep (section 8.1)",
        "write y = x * mask / keep_prob, not x * (1 - mask)"),
    "dropout_ignored": Convention(
        "dropout is not applied", "y = x m / keep_prob in training (section 8.1)",
        "call model.train(), or pass training=True, and apply the masks of the golden file"),
    "bias_before_dropout": Convention(
        "the bias is added before the dropout", "convolution, dropout, bias, ReLU in this order (section 9, row 9)",
        "give the convolution no bias (nn.Conv2d(..., bias=False)), and write relu(dropout(conv(x)) + bias), also "
        "if your dropout comes after the ReLU, where its numbers are the same"),
    "relu_on_logits": Convention(
        "a ReLU is applied to the logits, as in the listing", "linear logits (section 9, row 3)",
        "take the ReLU out of the last layer; or export with --logits relu"),
    "logits_linear": Convention(
        "the logits are linear", "a ReLU on them, as the listing has it (row 3)",
        "write z = relu(z); or export with --logits linear"),
    "pool_ties_to_last": Convention(
        "where several pixels of a window are largest, the gradient goes to the last of them",
        "it at the first, in rows, then columns (section 4.3)",
        "use F.max_pool2d or tf.nn.max_pool2d, which take the first"),
    "pool_ties_share": Convention(
        "where several pixels of a window are largest, they share the gradient",
        "all of it at the first, in rows, then columns (section 4.3)",
        "use F.max_pool2d or tf.nn.max_pool2d; amax, jnp.max and tf.reduce_max share it"),
    "pool_average": Convention(
        "windows are averaged", "their largest value (section 4.3)",
        "write F.max_pool2d(x, 2), not F.avg_pool2d"),
    "deconv_relu_missing": Convention(
        "there is no ReLU after the transposed convolution", "transposed convolution, bias, ReLU (section 9)",
        "write F.relu(deconv(x)) before the concatenation"),
    "deconv_relu_before_bias": Convention(
        "the bias of the transposed convolution is added after its ReLU",
        "transposed convolution, bias, ReLU (section 9)",
        "write relu(deconv(x) + bias); in Keras no activation= in Conv2DTranspose"),
    "concat_swapped": Convention(
        "the concatenation has the map from below first", "[output of the way down, map from below] (section 9)",
        "write torch.cat([skip, x], dim=1), tf.concat([skip, x], axis=-1)"),
    # batch normalisation
    "batch_norm_epsilon": Convention(
        "the epsilon of the batch normalisation is {value}",
        "that of its options, (x - mean) / sqrt(variance + epsilon) (eq. 56)",
        "give both the same; nn.BatchNorm2d has eps=1e-5, Keras epsilon=1e-3",
        (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 0.0)),
    "batch_norm_unbiased": Convention(
        "the batch is normalised by the unbiased variance, divided by n - 1",
        "the mean of (x - mean)^2 over all n pixels (eq. 58)", "write x.var(unbiased=False), or np.var(x, ddof=0)"),
    **alike("(x - mean) / sqrt(variance + epsilon) (eq. 56)", "write np.sqrt(variance + epsilon)",
             batch_norm_epsilon_outside="the epsilon of the batch normalisation is added outside the root",
             batch_norm_epsilon_subtracted="the epsilon of the batch normalisation is subtracted, as eq. 56 is "
                                           "printed"),
}
