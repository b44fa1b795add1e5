"""The settings of a training run: one table of their defaults, limits, choices, help and needs, and their presets."""

from argparse import SUPPRESS
from dataclasses import asdict, dataclass, field, fields, replace

from ..backends import NAMES, PRECISIONS
from ..cost import COSTS
from ..data.balance import WORDS, class_weights, parsed_weight
from ..data.discovery.selection import Selection
from ..errors import InputError
from ..network import topology
from ..network.topology import CHOICES, LIMITS, Architecture, check_size
from ..optimizers import FORMS
from ..program.options import Option, check_effects, flag_of, worded

# What the presets change of the defaults below. "listing" reproduces the appendix's code.
PRESETS = {
    "thesis": {},
    "thesis-table2": {"learning_rate": 0.1},
    "listing": {"levels": 7, "logits": "relu", "init": "listing", "learning_rate": 0.1, "scaling": "minus127",
                "momentum_form": "tensorflow", "adam_form": "tensorflow", "class_weight_form": "listing"},
}
ADAM_LEARNING_RATE = 0.001      # where --optimizer adam comes without --learning-rate; 0.15 would be far too much
RENAMED = {"draw": "sampling"}      # settings that earlier versions knew by other names
WEIGHTED = {"cost": ("weighted_cross_entropy",)}

# Headings of the help
NETWORK, TRAINING, COST, DATA = "network", "training", "cost", "data"
CROPS, AUGMENTATION = "crops to train on", "augmentation of the crops"
DISAGREEMENTS = "where the thesis and its appendix disagree"


def setting(default, group, help, **facts):
    """Return a dataclass field with a default and an Option."""
    return field(default=default, metadata={"option": Option(help, SUPPRESS, group=group, **facts)})


@dataclass(frozen=True, init=False)
class Settings:
    """Every setting of a run that its result depends on; the defaults are Table 1's where the thesis names them.

    Parameters
    ----------
    **given
        Values by the name of the setting. A setting that is not given has the value of the preset, or else the default;
        the learning rate of Adam is `ADAM_LEARNING_RATE` then.

    Raises
    ------
    InputError
        If a value is not one that its setting takes, or two do not go together.
    TypeError
        If there is no setting of a name.
    """

    preset: str = setting("thesis", NETWORK, "Table 1 or Table 2 of the thesis, or the code in its appendix",
                          choices=tuple(PRESETS))
    channels: int = setting(Architecture.channels, NETWORK, "frames that the network sees at once, an odd number: 1 "
                            "for Network1, 5 for Network5, which sees two neighbours on either side")
    levels: int = setting(Architecture.levels, NETWORK, "resolutions of the U; 6 go from 1024 pixels down to 32")
    features: int = setting(Architecture.features, NETWORK, "feature maps at the first level; every further level has "
                                                            "twice as many")
    activation: str = setting(Architecture.activation, NETWORK, "what follows the convolutions")
    normalisation: str = setting(Architecture.normalisation, NETWORK, "batch: normalise each batch after the 5 x 5 "
                                 "convolutions, eq. 56-58; goes well with --keep-prob 1")
    epochs: int = setting(8, TRAINING, "passes over the training frames", limits=(1, 10 ** 6))
    batch_size: int = setting(1, TRAINING, "crops in each step", limits=(1, 4096))
    optimizer: str = setting("momentum", TRAINING, "how gradients change the weights",
                             choices=("momentum", "sgd", "adam"))
    learning_rate: float = setting(0.15, TRAINING, "learning rate of the first epoch", limits=(1e-12, 1e3),
                                   takes="above 0 and at most 1000")
    decay_rate: float = setting(0.95, TRAINING, "factor on the learning rate after each epoch", limits=(1e-6, 1.0),
                                takes="above 0 and at most 1")
    momentum: float = setting(0.2, TRAINING, "mu of eq. 28", limits=(0.0, 0.999999), takes="at least 0 and below 1",
                              needs={"optimizer": ("momentum",)})
    keep_prob: float = setting(0.75, TRAINING, "probability that dropout keeps a value; 1: no dropout", metavar="P",
                               limits=(1e-3, 1.0))
    l1: float = setting(0.0, TRAINING, "weight of the L1 penalty, lambda of eq. 51", limits=(0, 10 ** 6))
    l2: float = setting(0.0, TRAINING, "weight of the L2 penalty, lambda of eq. 52", limits=(0, 10 ** 6))
    seed: int = setting(0, TRAINING, "seed of the initial weights, the order of the frames, the crops and the dropout",
                        limits=(0, 2 ** 63))
    cost: str = setting("weighted_cross_entropy", COST, "the cost that training lowers", choices=COSTS)
    class_weight: float | str = setting(
        2.0, COST, "weight of the cell class in the cross-entropy, eq. 60; BACKGROUND,CELL: weights of both classes; "
        "ratio: pixels of the larger class over those of the smaller one; median-frequency: SegNet's weights",
        takes=f"a number, two of them (BACKGROUND,CELL), or {' or '.join(WORDS)}", needs=WEIGHTED)
    border_weight: float = setting(0.0, COST, "U-net's extra weight of the background between cells, 10 in its paper",
                                   limits=(0.0, 1e6), needs=WEIGHTED)
    border_sigma: float = setting(5.0, COST, "how far the border weight reaches", metavar="PIXELS",
                                  limits=(0.1, 100.0), takes="from 0.1 to 100 pixels",
                                  needs={**WEIGHTED, "border_weight": "above 0"})
    crop: int | None = setting(128, CROPS, "side of the crops", metavar="PIXELS", limits=(1, 1 << 16),
                               takes="from 1 to 65536 pixels, or 0 for whole frames",
                               read=lambda text: int(text) or None)
    crops_per_frame: int | None = setting(None, CROPS, "crops of each frame in an epoch", limits=(1, 10 ** 6),
                                          default_text="as many as have the frame's area")
    sampling: str = setting("evenly", CROPS, "by-cells: take more crops of the frames with a larger share of cell "
                            "pixels", choices=("evenly", "by-cells"), also=("--draw",))
    on_cells: float = setting(0.0, CROPS, "part of the crops to move so that they hold a cell", metavar="PART",
                              limits=(0.0, 1.0), needs={"crop": "above 0"})
    drop_background: float = setting(0.0, CROPS, "part of the training frames to leave out, those with the smallest "
                                                 "share of cell pixels", metavar="PART", limits=(0.0, 0.99))
    augment: bool = setting(False, AUGMENTATION, "mirror the crops and turn them by quarter turns, at random",
                            default_text="no")
    rotation: float = setting(0.0, AUGMENTATION, "largest random angle to turn by, to either side; 180: any angle",
                              metavar="DEGREES", limits=(0.0, 180.0), takes="from 0 to 180 degrees")
    elastic: float = setting(0.0, AUGMENTATION, "deform as U-net does, with random shifts of this standard deviation, "
                                                "10 in its paper", metavar="PIXELS", limits=(0.0, 10.0),
                             takes="from 0 to 10 pixels; more could fold the picture")
    brightness: float = setting(0.0, AUGMENTATION, "largest random number, in standard deviations of the pixels, to "
                                                   "add to the pixels or to subtract", limits=(0.0, 100.0))
    contrast: float = setting(0.0, AUGMENTATION, "multiply the pixels by a random factor from 1 - X to 1 + X",
                              limits=(0.0, 0.99))
    paste: int = setting(0, AUGMENTATION, "cells of other frames of the sequence to paste into each crop",
                         limits=(0, 100))
    channel_index: int | None = setting(None, DATA, "channel to take from files that hold several, from 0",
                                        limits=(0, 10 ** 6))
    z: int | str | None = setting(
        None, DATA, "slice to take from files that hold several, from 0; max: the maximum over all of them; time: the "
        "slices are time points, as in a stack that was saved without a time axis",
        limits=(0, 10 ** 6), choices=("max", "time"), metavar="N|max|time",
        takes="the number of a slice, from 0, or max, or time")
    pattern: str | None = setting(
        None, DATA, "how files are named, with {t} in place of the frame number or time, {s} in place of what tells "
        "sequences apart, such as positions, and * in place of what does not matter")
    sparse_masks: bool = setting(False, DATA, "let frames be without a mask; the network sees them as neighbours only",
                                 default_text="no")
    validation: float = setting(0.2, DATA, "part of the frames to validate on", metavar="PART",
                                limits=(1e-6, 0.999999), takes="above 0 and below 1")
    gap: int | None = setting(None, DATA, "frames to leave out between training and validation in a single sequence",
                              limits=(0, 10 ** 6), default_text="the most, up to --channels, that leave two thirds of "
                                                                "the frames to train on")
    scaling: str = setting("standard", DISAGREEMENTS, "standard: to a mean of 0 and a standard deviation of 1; "
                           "mean-image, median-image: minus that image of the training frames; minus127: minus 127",
                           choices=("standard", "mean-image", "median-image", "minus127"))
    neighbours: str = setting("frames", DISAGREEMENTS, "copies: the frame itself in the places of its neighbours, as "
                                                       "the listing trained", choices=("frames", "copies"))
    logits: str = setting(Architecture.logits, DISAGREEMENTS, "relu: a ReLU before the softmax")
    init: str = setting(Architecture.init, DISAGREEMENTS, "initial weights with the standard deviation sqrt(2/N) of "
                                                          "section 2.1, or the listing's")
    momentum_form: str = setting("thesis", DISAGREEMENTS, "eq. 28-29, or TensorFlow's form, in which the learning rate "
                                 "is outside the velocity", choices=FORMS["momentum"],
                                 needs={"optimizer": ("momentum",)})
    adam_form: str = setting("kingma", DISAGREEMENTS, "epsilon is added to the root of the corrected average, or, as "
                             "in TensorFlow, to that of the uncorrected one", choices=FORMS["adam"],
                             needs={"optimizer": ("adam",)})
    class_weight_form: str = setting("eq60", DISAGREEMENTS, "listing: the cell class has the weight 1 + --class-weight",
                                     choices=("eq60", "listing"), needs=WEIGHTED)

    def __init__(self, **given):
        given = renamed(given)
        if given.keys() - OPTIONS.keys():
            raise TypeError(f"Settings: {min(given.keys() - OPTIONS.keys())} is no setting")
        preset = given.get("preset", self.preset)
        OPTIONS["preset"].check("--preset", preset)
        values = {**{each.name: each.default for each in fields(self)}, **PRESETS[preset], **given}
        if values["optimizer"] == "adam" and "learning_rate" not in given:
            values["learning_rate"] = ADAM_LEARNING_RATE
        vars(self).update(values)                               # the class is frozen
        for name, option in OPTIONS.items():
            option.check(flag_of(name), getattr(self, name))
        self._weights()                                         # raises where there are none
        if self.channels % 2 == 0:
            raise InputError(f"--channels {self.channels}: must be odd, so that the frame to segment is in the middle; "
                             f"try {self.channels + 1}")
        if self.channels == 1 and self.neighbours == "copies":
            raise InputError("--neighbours copies: has no effect with --channels 1; give 5, or leave it out")
        if self.crop is not None:
            check_size((self.crop,), self.levels, "--crop")

    @classmethod
    def from_options(cls, chosen):
        """Return Settings(**chosen).

        Raises
        ------
        InputError
            If a value is not one that its setting takes, or a chosen setting has no effect beside the others.
        """
        settings = cls(**chosen)
        check_effects(OPTIONS, chosen, settings.as_dict())
        return settings

    @property
    def selection(self):
        """The choice among the channels and slices of files that hold several."""
        return Selection(self.channel_index, self.z, self.pattern)

    @property
    def architecture(self):
        """The `topology.Architecture` of the network."""
        return Architecture(**{each.name: getattr(self, each.name) for each in fields(Architecture)
                               if each.name in OPTIONS})

    @property
    def size_divisor(self):
        """Number of pixels that divides both sides of the network's input."""
        return topology.size_divisor(topology.stemnet_blocks(self.architecture))

    def as_dict(self):
        """Return the settings as a dict for JSON."""
        return asdict(self)

    @property
    def class_weights(self):
        """Weights of background and cell: (1, w) of eq. 60, or the listing's (1, 1 + w); ones in costs without weights.

        Raises
        ------
        InputError
            If they depend on the data; they are known once these settings are `resolved`.
        """
        if self.cost != "weighted_cross_entropy":
            return 1.0, 1.0
        weights = self._weights()
        if isinstance(weights, str):
            raise InputError(f"--class-weight {weights}: the numbers follow from the training masks; give numbers, "
                             "or ask the settings that Settings.resolved returns")
        return weights

    def resolved(self, cells):
        """Return these settings with numbers in place of class weights that depend on the data.

        `cells` holds the cell pixels, and all pixels, of every training mask; both classes must occur.
        """
        if self.class_weight not in WORDS:
            return self
        return replace(self, class_weight=",".join(map(repr, class_weights(self.class_weight, cells))))

    def _weights(self):
        """Return the weights that --class-weight stands for, or its word where they depend on the data."""
        weight, listing = parsed_weight(self.class_weight), self.class_weight_form == "listing"
        if listing and isinstance(weight, (str, tuple)):
            raise InputError(f"--class-weight {self.class_weight}: the listing's form is for one number; add "
                             "--class-weight-form eq60")
        if isinstance(weight, str):
            return weight
        pair = weight if isinstance(weight, tuple) else (1.0, weight)
        if not all(1e-6 <= each <= 1e6 for each in pair):                       # NaN fails too
            raise InputError(f"--class-weight {self.class_weight}: must be above 0 and at most 1000000")
        return pair[0], pair[1] + (1.0 if listing else 0.0)


def _option(each):
    """Return the Option of a field of Settings, with its type, and with its default as text, in each preset too.

    The limits and choices of what makes the network are those of its Architecture.
    """
    option, default = each.metadata["option"], each.default
    limits, choices = LIMITS.get(each.name, option.limits), CHOICES.get(each.name, option.choices)
    text = option.default_text or ("" if default is None else worded(default))
    changed = {}
    for preset, values in PRESETS.items():
        if each.name in values:
            changed.setdefault(worded(values[each.name]), []).append(preset)
    text += "".join(f"; {value} with --preset {' or '.join(presets)}" for value, presets in changed.items())
    text += f"; {ADAM_LEARNING_RATE} with --optimizer adam" if each.name == "learning_rate" else ""
    return replace(option, type=each.type, limits=limits, choices=choices, default_text=text)


OPTIONS = {each.name: _option(each) for each in fields(Settings)}           # in the order of Settings

# Options of programs that train or predict, beside the settings
FRAMES = Option("folder, quoted glob pattern or multi-page TIFF, of grey PNG or TIFF files; or a set of the Cell "
                "Tracking Challenge, which brings its masks", metavar="PATH", default_text="the package's sample")
MASKS = Option("masks in the same formats; 0 is background, above 0 cell; paired with the frames by number",
               metavar="PATH")
COMPUTES = "what computes; plain: the readable reference"
COMPUTATION = {
    "backend": Option(f"{COMPUTES}; auto: cuda where there is a GPU, else cpu", "auto", choices=NAMES,
                      also=("--device",)),
    "precision": Option("tf32: faster on a GPU, with 11 significant bits", "fp32", choices=PRECISIONS),
}


def pick(*wanted, group=None, **changes):
    """Return Options, by name, with changes, under one heading: pick("precision", seed={"default": 1})."""
    found, common = {}, {**OPTIONS, **COMPUTATION}
    for name in (*wanted, *changes):
        change = changes.get(name, {})
        text = {"default_text": None} if "default" in change else {}        # the help then gives the new default
        found[name] = replace(common[name], group=group, **{**text, **change})
    return found


def renamed(values):
    """Return values by the present names of their settings, a dict."""
    return {RENAMED.get(name, name): value for name, value in values.items()}


def chosen_of(given):
    """Return those of the given options that are settings, a dict."""
    return {name: given[name] for name in OPTIONS if name in given}
