"""Conventions of gradients, learning rate and optimizers."""

from .convention import Convention, alike

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
KINDS = "parameters", "weights", "biases"       # of which some conventions hold
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
    **alike(
        "eta decay^epoch, with epoch = (step - 1) // steps_per_epoch, both counted from step 1 and epoch 0 (row 8)",
        "write eta * decay ** ((step - 1) // steps_per_epoch), or call scheduler.step() after the last "
        "optimizer.step() of an epoch",
        decay_step_early="the learning rate decays a step early, before the last step of an epoch",
        decay_step_late="the learning rate decays a step late, after the first step of an epoch",
        decay_epoch_early="the learning rate decays an epoch early, already before the first step",
        decay_epoch_late="the learning rate decays an epoch late"),
    "rate_factor": Convention(
        "the learning rate is {value} times the golden file's", "eta decay^epoch (Tables 1 and 2, row 8)",
        "write lr= the golden file's learning_rate", (0.5, 2, 0.1, 10, 0.01, 100), ("parameter",)),
    "rate_of_biases": Convention(
        "the learning rate of the biases is {value} times the golden file's", "the same for all parameters (eq. 15)",
        "take out the parameter group, or the multiplier lr_mult, of the biases", (2, 0.5, 0.1, 10), ("parameter",)),
    "rate_warmup": Convention(
        "the learning rate is warmed up over {value} steps, times step / {value}",
        "eta decay^epoch from the first step on (row 8)",
        "take out LambdaLR or LinearLR before the schedule, or WarmUp around it", (2, 3, 4, 5, 10), ("parameter",)),
    "not_updated": Convention(
        "the {value} do not change", "every parameter after every step (eq. 15)",
        "call optimizer.step() and give the optimizer all parameters; requires_grad=False or trainable = False, and a "
        "tensor that was made anew after the optimizer, leave them as they are", KINDS),
    "updated_twice": Convention(
        "each step updates the parameters twice with the same gradient", "one update a step (eq. 15)",
        "call optimizer.step() or apply_gradients once"),
    "optimizer_made_anew": Convention(
        "the optimizer is made anew in each epoch and forgets its averages", "one that lasts for the whole training",
        "make the optimizer before the loop over epochs; compile() in Keras makes a new one, too"),
    "gradients_summed": Convention(
        "the gradients are {value} times the mean's, as where micro-batches are added up",
        "the gradient of the mean cost (eq. 15, 60)", "write (loss / parts).backward() for each part of a batch",
        (2, 3, 4, 8, 16)),
    **{name: Convention(does, "them as they are (eq. 15)", change, common, ("gradient", "parameter"))
       for name, does, change, common in (
        ("gradients_clipped_by_norm", "all gradients together are clipped to a norm of {value}",
         "take out torch.nn.utils.clip_grad_norm_, global_clipnorm= or tf.clip_by_global_norm", (0.1, 0.5, 1, 2, 5)),
        ("gradients_clipped_each", "each parameter's gradient is clipped to a norm of {value} by itself",
         "take out clipnorm= or tf.clip_by_norm", (0.1, 0.5, 1, 2, 5)),
        ("gradients_clipped_by_value", "the gradients are clipped at {value} and -{value}",
         "take out torch.nn.utils.clip_grad_value_, clipvalue= or tf.clip_by_value", (0.01, 0.1, 0.5, 1, 5)))},
    "without_gradient": Convention(
        "the gradients with respect to the {value} are 0", "one with respect to every parameter (eq. 15)",
        "take out detach(), stop_gradient, requires_grad=False and trainable=False", KINDS),
    "gradients_accumulated": Convention(
        "the gradients of earlier steps are added to those of a step", "each step's own (eq. 15)",
        "call optimizer.zero_grad() before backward()"),
    "rate_in_float32": Convention(
        "the learning rate is rounded to float32, as Keras keeps it", "float64 here",
        'call tf.keras.backend.set_floatx("float64") first; or export without --float64'),
    "keras_in_float32": Convention(
        "the learning rate, and the momentum or the betas of Adam's correction, are in float32, as Keras computes them "
        "also for parameters in float64", "float64 here",
        "export without --float64, or give the optimizer a learning rate, momentum and betas in float64"),
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
    "momentum_other": Convention(
        "the momentum is {value}", "the golden file's momentum (eq. 28)", "write momentum= the golden file's",
        (0.5, 0.9, 0.95, 0.99), ("parameter",)),
    "momentum_ignored": Convention("there is no momentum", "{momentum}", "write {velocity}"),
    "adam_epsilon_in_root": Convention(
        "Adam's epsilon stands inside the root", "m_hat / (sqrt(v_hat) + epsilon) (eq. 27)",
        "write sqrt(v) + epsilon, not sqrt(v + epsilon); optax: eps, not eps_root"),
    "adam_other_epsilon_hat": Convention(
        "Adam's epsilon is added to the {root} root", "{adam}", "{other_adam}"),
    **{f"adam_{name}": Convention(
        f"Adam's {name} is {{value}}", f"the golden file's {name} (eq. {equation})", change, common, ("parameter",),
        *below) for name, equation, change, common, *below in (
        ("beta1", "23", "write betas= or beta_1= the golden file's", (0.5, 0.8, 0.95, 0.99), 1.0),
        ("beta2", "24", "write betas= or beta_2= the golden file's", (0.9, 0.95, 0.98, 0.99), 1.0),
        ("epsilon", "27", "write eps= or epsilon= the golden file's; PyTorch's default is 1e-8, Keras's 1e-7",
         (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-10)))},
    "adam_betas": Convention(
        "Adam's beta1 and beta2 are {value}", "the golden file's beta1 and beta2 (eq. 23-24)",
        "write betas=, or beta_1= and beta_2=, the golden file's", (), ("parameter",), 1.0),
    **alike("m_hat / (sqrt(v_hat) + epsilon), both averages of this step (eq. 25-27)", "take out amsgrad=True",
            adam_amsgrad="Adam divides by the largest v of all steps so far (amsgrad)",
            adam_amsgrad_corrected="Adam divides by the largest v_hat of all steps so far (amsgrad, after the "
                                   "correction)"),
    "adam_no_bias_correction": Convention(
        "Adam's averages are not corrected for their beginning at 0",
        "m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t) (eq. 25-26)",
        "divide by 1 - beta ** t, t counted from 1"),
    "adam_step_late": Convention(
        "Adam's averages are corrected as if a step more had been taken, by 1 - beta^(t + 1)",
        "m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t) (eq. 25-26)",
        "count t from 1, and once in a step"),
    "weight_decay_on_biases": Convention(
        "the weight decay is on the biases too", "it on the weights alone (eq. 54)",
        "give the biases a parameter group of their own with weight_decay=0"),
    **{name: Convention(does, "lambda/N w added to the gradient by the optimizer alone (eq. 53)", change, (),
                        ("cost", "gradient"))
       for name, does, change in (
        ("l2_in_cost", "the cost has a penalty in it, {value} / 2 times the sum of the squared weights",
         "take the penalty, such as Keras's kernel_regularizer, out of the cost, and write weight_decay= the golden "
         "file's"),
        ("l2_of_all_in_cost", "the cost has a penalty in it, {value} / 2 times the sum of squared weights and biases",
         "take the penalty out of the cost, and write weight_decay= the golden file's, on the weights alone"),
        ("l2_in_cost_and_decay", "the weights decay twice: the cost has a penalty in it, {value} / 2 times the sum of "
         "the squared weights, beside the optimizer's weight decay",
         "take the penalty, such as Keras's kernel_regularizer, out of the cost"),
        ("l2_in_gradients", "the gradients, but not the cost, are saved with {value} times the weights in them",
         "save the gradients before the weight decay is added"))},
    "weight_decay_decoupled": Convention(
        "the weight decay is decoupled from the gradient, as in AdamW", "it in the gradient, g + lambda/N w (eq. 53)",
        "write torch.optim.Adam or SGD with weight_decay, not AdamW"),
    "weight_decay_ignored": Convention(
        "there is no weight decay", "lambda/N w added to the gradient (eq. 53)",
        "write weight_decay= the golden file's"),
    "weight_decay_other": Convention(
        "the weight decay is {value}", "the golden file's lambda/N (eq. 53)",
        "write weight_decay= the golden file's, lambda/N and not lambda, nor 2 lambda/N", (), ("parameter",)),
    "weight_decay_added": Convention(
        "all parameters have a weight decay of {value}", "none here", "write weight_decay=0", (1e-4, 5e-4, 1e-3, 1e-2),
        ("parameter",)),
    "adamw_default": Convention(
        "all parameters decay by {value} times the learning rate, as AdamW and Keras's weight_decay= do it",
        "none here", "write Adam, or weight_decay=0; the default of AdamW is 0.01, of Keras's 0.004",
        (0.01, 0.004), ("parameter",)),
}
