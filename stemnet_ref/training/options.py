"""The command line's options for the settings of training."""

import argparse

from .settings import CHOICES


def add_selection(parser):
    """Add the options that say what of the files is taken for frames."""
    add = parser.add_argument
    add("--channel-index", type=int, metavar="N", help="channel to take from files that hold several, from 0")
    add("--z", type=slice_or_word, metavar="N",
        help="slice to take from files that hold several, from 0; max: the maximum over all of them; time: the slices "
             "are time points, as in a stack saved without a time axis")
    add("--pattern", metavar="TEXT",
        help="how files are named, with {t} in place of the frame number or time, {s} for what tells sequences apart, "
             "such as positions, and * for what does not matter")


def add_settings(parser):
    """Add an option for every setting to a parser, which must leave out what is not given."""
    add_selection(parser)
    add = parser.add_argument
    add("--sparse-masks", action=argparse.BooleanOptionalAction,
        help="let frames be without a mask, and take them as neighbours only (no)")
    add("--preset", choices=CHOICES["preset"], help="Table 1, Table 2, or the appendix's code (thesis)")
    add("--channels", type=int, metavar="N", help="frames the network sees: 1, or 5 with two neighbours each way (1)")
    add("--epochs", type=int, metavar="N", help="passes over the training frames (8)")
    add("--batch-size", type=int, metavar="N", help="pieces per step (1)")
    add("--crop", type=int, metavar="PIXELS", help="side of the pieces to train on; 0: whole frames (128)")
    add("--crops-per-frame", type=int, metavar="N", help="pieces of each frame in an epoch (as many as have its area)")
    add("--levels", type=int, metavar="N", help="resolutions of the U; 6: 1024 -> 32 -> 1024 (6)")
    add("--features", type=int, metavar="N", help="feature maps at the first level (16)")
    add("--activation", choices=CHOICES["activation"], help="(relu)")
    add("--normalisation", choices=CHOICES["normalisation"],
        help="batch: normalise each batch after the 5x5 convolutions, eq. 56-58; goes well with --keep-prob 1 (none)")
    add("--optimizer", choices=CHOICES["optimizer"], help="(momentum)")
    add("--learning-rate", type=float, metavar="X", help="(0.15; 0.001 with adam)")
    add("--decay-rate", type=float, metavar="X", help="factor on the learning rate after each epoch (0.95)")
    add("--momentum", type=float, metavar="X", help="mu of eq. 28 (0.2)")
    add("--keep-prob", type=float, metavar="P", help="probability that dropout keeps a value (0.75)")
    add("--cost", choices=CHOICES["cost"], help="(weighted_cross_entropy)")
    add("--class-weight", type=number_or_words, metavar="X",
        help="weight of the cell in the cross-entropy, eq. 60; or BACKGROUND,CELL; or one of the words ratio, of the "
             "larger class to the smaller, and median-frequency (2)")
    add("--border-weight", type=float, metavar="X", help="U-net's, of background between cells; 10 there (0)")
    add("--border-sigma", type=float, metavar="PIXELS", help="how far it reaches (5)")
    add("--l1", type=float, metavar="X", help="lambda of eq. 51 (0)")
    add("--l2", type=float, metavar="X", help="lambda of eq. 52 (0)")
    add("--validation", type=float, metavar="PART", help="part of the frames to validate on (0.2)")
    add("--gap", type=int, metavar="N", help="frames left out between training and validation in one sequence "
                                             "(up to --channels, as many as leave two thirds to train on)")
    add("--seed", type=int, metavar="N", help="of weights, order, crops and dropout (0)")
    variety = parser.add_argument_group("variety and balance of the training pieces")
    add = variety.add_argument
    add("--augment", action=argparse.BooleanOptionalAction, help="mirror and quarter-turn at random (no)")
    add("--rotation", type=float, metavar="DEGREES", help="turn by any angle up to it; 180: by all (0)")
    add("--elastic", type=float, metavar="PIXELS", help="deform as U-net does: deviation of the shifts; 10 there (0)")
    add("--brightness", type=float, metavar="X", help="add up to X deviations to the pixels, or take them off (0)")
    add("--contrast", type=float, metavar="X", help="multiply them by 1 - X to 1 + X (0)")
    add("--paste", type=int, metavar="N", help="paste N cells of other frames of the sequence into each piece (0)")
    add("--on-cells", type=float, metavar="PART", help="move this part of the crops so that they hold a cell (0)")
    add("--draw", choices=CHOICES["draw"], help="by-cells: draw crops from frames by their share of cells (evenly)")
    add("--drop-background", type=float, metavar="PART",
        help="leave out this part of the training frames, those with the fewest cells (0)")
    where_texts_disagree = parser.add_argument_group("where the thesis and its appendix disagree")
    add = where_texts_disagree.add_argument
    add("--scaling", choices=CHOICES["scaling"], help="zero mean and unit deviation; less the mean or median image of "
                                                      "the training frames; or frame - 127 (standard)")
    add("--neighbours", choices=CHOICES["neighbours"],
        help="copies: the frame itself in place of its neighbours, as the listing trained (frames)")
    add("--logits", choices=CHOICES["logits"], help="ReLU before the softmax or not (linear)")
    add("--init", choices=CHOICES["init"], help="initial weights: sqrt(2/N) of section 2.1, or the listing's (fan_in)")
    add("--momentum-form", choices=CHOICES["momentum_form"], help="(thesis)")
    add("--adam-form", choices=CHOICES["adam_form"], help="(kingma)")
    add("--class-weight-form", choices=CHOICES["class_weight_form"], help="listing: 1 + weight (eq60)")


def number_or_words(text):
    """Return a number as float, other text as it is."""
    try:
        return float(text)
    except ValueError:
        return text


def slice_or_word(text):
    """Return the number of a slice, "max" or "time"."""
    if text not in ("max", "time") and not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: must be the number of a slice, from 0, or max, or time")
    return text if text in ("max", "time") else int(text)
