"""Conventions of the cost, and of softmax and logarithm within it."""

from ....cost import OF_PROBABILITIES
from ...expected.costs import EPSILONS
from .convention import Convention, alike

LISTING = {1e-10: ", as in the listing", 1e-7: ", as Keras does"}
LOGARITHM = "log softmax = z - max - log sum exp(z - max), and the gradient p - y everywhere (eq. 8, 48)"
CONVENTIONS = {
    "another_cost": Convention(
        "the cost is another, {value}, without class weights", "that of training.cost in the golden file's about",
        "take the cost of eq. 60; or export a run with the cost that is yours", (*OF_PROBABILITIES, "cross_entropy")),
    "softmax_twice": Convention(
        "the softmax is applied twice", "the cost of logits (eq. 5, 8)",
        "give F.cross_entropy and ..._with_logits the logits, not the probabilities"),
    "logits_as_probabilities": Convention(
        "the logits are taken for probabilities, clipped at 1e-7 and 1 - 1e-7 and divided by their sum",
        "the cost of logits (eq. 5, 8)", "write SparseCategoricalCrossentropy(from_logits=True)"),
    "logits_as_shares": Convention(
        "the logits are divided by their sum, clipped at 1e-7 and 1 - 1e-7 and taken for probabilities",
        "the cost of logits (eq. 5, 8)", "write CategoricalCrossentropy(from_logits=True)"),
    **alike("the softmax over the classes of a pixel (eq. 8)",
            "write torch.softmax(z, dim=1), tf.nn.softmax(z, axis=-1)",
            softmax_over_batch="the softmax of the cost is over the images of the batch",
            softmax_over_rows="the softmax of the cost is over the rows of an image, not over the classes",
            softmax_over_columns="the softmax of the cost is over the columns of an image, not over the classes"),
    "softmax_missing": Convention(
        "the cost is minus the logit of the label, without a softmax", "-log softmax(z) of the label (eq. 5, 8)",
        "write F.cross_entropy(z, y), or F.nll_loss(F.log_softmax(z, dim=1), y)"),
    "logarithm_missing": Convention(
        "the cost is minus the probability of the label, without a logarithm", "-log softmax(z) of the label (eq. 5)",
        "write F.cross_entropy(z, y), or F.nll_loss(F.log_softmax(z, dim=1), y)"),
    "sigmoid_of_each_class": Convention(
        "each class has a sigmoid and a binary cross-entropy, averaged over the classes",
        "a softmax over the classes (eq. 5, 8)", "write F.cross_entropy(z, y), not "
        "F.binary_cross_entropy_with_logits(z, one_hot)"),
    **alike("-log p of the label (eq. 5)", "leave out label_smoothing", (0.01, 0.02, 0.05, 0.1, 0.2),
            label_smoothing="the labels are smoothed by {value}",
            label_smoothing_by_class="the labels are smoothed by {value}, each class with its own weight, as "
                                     "F.cross_entropy(z, y, weight, label_smoothing={value}) does"),
    **alike("-log p (eq. 5)", "write F.cross_entropy", (0.5, 1.0, 2.0, 3.0, 5.0),
            focal="the cost is focal, (1 - p)^{value} times -log p",
            focal_alpha="the cost is focal, (1 - p)^{value} times -log p, with alpha 0.25 on the cell and 0.75 on the "
                        "background beside the class weights"),
    "focal_keras": Convention(
        "the cost is focal, {value} (1 - p)^2 times -log p, with p clipped at 1e-7 and 1 - 1e-7, as Keras's "
        "CategoricalFocalCrossentropy has it", "-log p (eq. 5)", "write CategoricalCrossentropy(from_logits=True)",
        (0.25, 1.0, 0.5, 0.75)),
    "cost_over_weights": Convention(
        "the cost is divided by the sum of the pixels' weights", "1/n, n the number of pixels (eq. 60, row 5)",
        'write F.cross_entropy(z, y, w, reduction="none").mean(); reduction="mean" divides by the weights'),
    "cost_summed": Convention(
        "the cost is summed over the pixels", "their mean (eq. 60)",
        'write reduction="none" and .mean(), tf.reduce_mean'),
    "cost_summed_over_image": Convention(
        "the cost is summed over each image's pixels and averaged over images", "the mean over all pixels (eq. 60)",
        "take the mean over all three axes"),
    "cost_mean_over_images": Convention(
        "each image's cost is divided by the sum of its pixels' weights, and averaged over images",
        "1/n, n the number of all pixels (eq. 60, row 5)", "take the mean over all three axes"),
    "cost_mean_over_classes": Convention(
        "the mean is over the classes too, which divides the cost by their number", "1/n, n the number of pixels "
        "(eq. 60)", "sum over the classes, then take the mean over the pixels"),
    "weight_plus_one": Convention(
        "the cell's weight is 1 + w, as in the listing", "w on the cell, 1 on the background (eq. 60, row 4)",
        "write weight = torch.where(y == 1, w, 1), not 1 + w * y, and w as in the golden file; or export with "
        "--class-weight-form listing"),
    "weight_without_one": Convention(
        "the cell's weight is w", "1 + w, as the listing has it (row 4)",
        "write 1 + w * y; or export with --class-weight-form eq60"),
    "weight_plus_two": Convention(
        "the cell's weight is 2 + w: 1 is added to the golden file's class_weights, which have it already",
        "1 + w, as the listing has it (row 4)", "take class_weights from the golden file as they are"),
    "weights_ignored": Convention(
        "the cost has no class weights", "w on the cell, 1 on the background (eq. 60)",
        "write F.cross_entropy(z, y, weight=torch.tensor([1, w]), ...)"),
    "weights_exchanged": Convention(
        "the background has the cell's weight", "1 on class 0, the background, and w on class 1, the cell (eq. 60)",
        "write weight=torch.tensor([1, w])"),
    "weights_that_sum_to_one": Convention(
        "the class weights are divided by their sum", "w on the cell, 1 on the background (eq. 60)",
        "take class_weights from the golden file as they are"),
    "weights_by_frequency": Convention(
        "the classes are weighted by the number of their pixels, n / (classes * count)",
        "w on the cell, 1 on the background (eq. 60)", "take class_weights from the golden file"),
    "weights_other": Convention(
        "background and cell have the class weights {value}", "the golden file's class_weights (eq. 60)",
        "take class_weights from the golden file as they are; or export with the --class-weight that is yours", (),
        ("backward", "gradient")),
    **alike(LOGARITHM, "give the logits to F.cross_entropy or tf.nn.sparse_softmax_cross_entropy_with_logits",
            **{name: does for epsilon in EPSILONS for name, does in (
                 (f"log_clipped_{epsilon}", f"the probabilities are clipped at {epsilon} before the logarithm"
                                            f"{LISTING.get(epsilon, '')}"),
                 (f"log_plus_{epsilon}", f"{epsilon} is added to the probabilities before the logarithm"))}),
    "log_clipped_twice": Convention(
        "the probabilities are clipped at 1e-7 and 1 - 1e-7 before the logarithm, as Keras does",
        LOGARITHM, "write SparseCategoricalCrossentropy(from_logits=True) and give it logits"),
    "cost_times": Convention(
        "the cost and its gradients are {value} times as large", "the mean over all pixels (eq. 60)",
        "look for a sum or a mean over images, classes, devices or accumulated steps, for a scale of the loss or of "
        "both class weights, and for a logarithm to another base (1.443 times is base 2)", (), ("cost", "backward")),
}
