"""Conventions of gradients, learning rate and optimizers."""

from .convention import Convention

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
}
