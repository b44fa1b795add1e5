"""Conventions of the cost, and of softmax and logarithm within it."""

from ...expected.costs import EPSILONS
from .convention import Convention, alike

LISTING = {1e-10: ", as in the listing", 1e-7: ", as Keras does"}
LOGARITHM = "log softmax = z - max - log sum exp(z - max), and the gradient p - y everywhere (eq. 8, 48)"
CONVENTIONS = {
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
    **alike(LOGARITHM, "give the logits to F.cross_entropy or tf.nn.sparse_softmax_cross_entropy_with_logits",
             **{name: does for epsilon in EPSILONS for name, does in (
                 (f"log_clipped_{epsilon}", f"the probabilities are clipped at {epsilon} before the logarithm"
                                            f"{LISTING.get(epsilon, '')}"),
                 (f"log_plus_{epsilon}", f"{epsilon} is added to the probabilities before the logarithm"))}),
    "log_clipped_twice": Convention(
        "the probabilities are clipped at 1e-7 and 1 - 1e-7 before the logarithm, as Keras does",
        LOGARITHM, "write SparseCategoricalCrossentropy(from_logits=True) and give it logits"),
}
