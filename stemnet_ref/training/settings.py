"""The settings of a training run, their presets and their limits."""

from dataclasses import asdict, dataclass, fields, replace

from ..data.balance import WORDS, class_weights, parsed_weight
from ..data.discovery.selection import Selection
from ..errors import InputError
from ..network.stemnet import PRESETS as NETWORK_PRESETS

# What the presets change of the defaults below. "listing" reproduces the appendix's code.
PRESETS = {
    "thesis": NETWORK_PRESETS["thesis"],
    "thesis-table2": {**NETWORK_PRESETS["thesis-table2"], "learning_rate": 0.1},
    "listing": {**NETWORK_PRESETS["listing"], "learning_rate": 0.1, "scaling": "minus127",
                "momentum_form": "tensorflow", "adam_form": "tensorflow", "class_weight_form": "listing"},
}
ADAM_LEARNING_RATE = 0.001      # where --optimizer adam comes without --learning-rate; 0.15 would be far too much

CHOICES = {
    "preset": tuple(PRESETS),
    "logits": ("linear", "relu"),
    "init": ("fan_in", "listing"),
    "neighbours": ("frames", "copies"),
    "activation": ("relu", "sigmoid"),
    "normalisation": ("none", "batch"),
    "scaling": ("standard", "mean-image", "median-image", "minus127"),
    "draw": ("evenly", "by-cells"),
    "optimizer": ("momentum", "sgd", "adam"),
    "momentum_form": ("thesis", "tensorflow"),
    "adam_form": ("kingma", "tensorflow"),
    "cost": ("weighted_cross_entropy", "cross_entropy", "dice", "quadratic"),
    "class_weight_form": ("eq60", "listing"),
}

# name: (least, most, what the limits are in words where they are not these two)
LIMITS = {
    "channels": (1, 99, None),
    "levels": (1, 10, None),
    "features": (1, 1024, None),
    "epochs": (1, 10 ** 6, None),
    "batch_size": (1, 4096, None),
    "crop": (1, 1 << 16, None),
    "crops_per_frame": (1, 10 ** 6, None),
    "learning_rate": (1e-12, 1e3, "above 0 and at most 1000"),
    "decay_rate": (1e-6, 1.0, "above 0 and at most 1"),
    "momentum": (0.0, 0.999999, "at least 0 and below 1"),
    "keep_prob": (1e-3, 1.0, "from 0.001 to 1, the probability to keep"),
    "border_weight": (0.0, 1e6, None),
    "border_sigma": (0.1, 100.0, "from 0.1 to 100 pixels"),
    "rotation": (0.0, 180.0, "from 0 to 180 degrees"),
    "elastic": (0.0, 10.0, "from 0 to 10 pixels; more could fold the picture"),
    "brightness": (0.0, 100.0, None),
    "contrast": (0.0, 0.99, None),
    "on_cells": (0.0, 1.0, "from 0 to 1, the part of the pieces"),
    "paste": (0, 100, None),
    "drop_background": (0.0, 0.99, "from 0 to 0.99, the part of the training frames"),
    "l1": (0, 10 ** 6, None),
    "l2": (0, 10 ** 6, None),
    "validation": (1e-6, 0.999999, "above 0 and below 1, the part of the frames to validate on"),
    "gap": (0, 10 ** 6, None),
    "channel_index": (0, 10 ** 6, "from 0, the first channel, to 1000000"),
    "seed": (0, 2 ** 63, None),
}

# option: the settings under which it has an effect
NEEDS = {
    "momentum": ("optimizer", ("momentum",)),
    "momentum_form": ("optimizer", ("momentum",)),
    "adam_form": ("optimizer", ("adam",)),
    "class_weight": ("cost", ("weighted_cross_entropy",)),
    "class_weight_form": ("cost", ("weighted_cross_entropy",)),
    "border_weight": ("cost", ("weighted_cross_entropy",)),
    "border_sigma": ("cost", ("weighted_cross_entropy",)),
}


@dataclass(frozen=True)
class Settings:
    """Every setting of a run that its result depends on; the defaults are Table 1's where the thesis names them."""

    preset: str = "thesis"
    channels: int = 1
    levels: int = 6
    neighbours: str = "frames"          # copies: of the frame itself in their places
    features: int = 16
    logits: str = "linear"
    init: str = "fan_in"
    activation: str = "relu"
    normalisation: str = "none"         # batch: after the convolutions
    scaling: str = "standard"
    epochs: int = 8
    batch_size: int = 1
    crop: int | None = 128              # side in pixels; None: whole frames
    crops_per_frame: int | None = None  # in an epoch; None: as many as have the frame's area
    augment: bool = False               # mirror and quarter-turn
    rotation: float = 0.0               # degrees, to either side
    elastic: float = 0.0                # pixels, standard deviation
    brightness: float = 0.0             # added to or taken off scaled pixels, at most
    contrast: float = 0.0               # by which their factor differs from 1, at most
    drop_background: float = 0.0        # part of the training frames left out, those with the fewest cell pixels
    draw: str = "evenly"                # by-cells: frames by their share of cell pixels
    on_cells: float = 0.0               # part of the crops that are moved onto a cell
    paste: int = 0                      # cells of other frames pasted into each piece
    optimizer: str = "momentum"
    learning_rate: float = 0.15
    decay_rate: float = 0.95            # per epoch, staircase
    momentum: float = 0.2
    momentum_form: str = "thesis"
    adam_form: str = "kingma"
    keep_prob: float = 0.75
    cost: str = "weighted_cross_entropy"
    class_weight: float | str = 2.0     # of the cell; "BACKGROUND,CELL"; or one of balance.WORDS
    class_weight_form: str = "eq60"     # listing: the factor is 1 + class_weight
    border_weight: float = 0.0          # w0 of masks.borders.border_weights
    border_sigma: float = 5.0           # pixels
    l1: float = 0.0
    l2: float = 0.0
    channel_index: int | None = None    # of files that hold several channels, from 0
    z: int | str | None = None          # of files that hold several slices, from 0; "max" or "time"
    pattern: str | None = None          # of file names, with {t} in place of the frame number, {s}, and *
    sparse_masks: bool = False          # frames may be without a mask, and are then neighbours only
    validation: float = 0.2
    gap: int | None = None              # frames between training and validation; None: chosen to fit
    seed: int = 0

    @classmethod
    def from_options(cls, options):
        """Return the settings of a preset with the options given in place of its own.

        Parameters
        ----------
        options : dict
            By name of the field; what is absent takes the preset's or the default value.

        Raises
        ------
        InputError
            If a value is outside its limits, or an option has no effect beside the others.
        """
        preset = options.get("preset", cls.preset)
        _check_choice("preset", preset)
        values = {**PRESETS[preset], **options}
        if values.get("optimizer") == "adam" and "learning_rate" not in options:
            values["learning_rate"] = ADAM_LEARNING_RATE
        return cls(**values).checked(options)

    def checked(self, options):
        """Return these settings, if they can be used.

        Parameters
        ----------
        options : iterable of str
            Names of what the user has set, which must have an effect.

        Raises
        ------
        InputError
            If a value is outside its limits, or an option has no effect.
        """
        for name in CHOICES:
            _check_choice(name, getattr(self, name))
        for name, (least, most, words) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:        # NaN fails too
                raise InputError(f"{option(name)} {value}: must be {words or f'from {least} to {most}'}")
        for name in options:
            needs, values = NEEDS.get(name, ("preset", PRESETS))
            if getattr(self, needs) not in values:
                raise InputError(f"{option(name)}: has no effect with {option(needs)} {getattr(self, needs)}; "
                                 "leave one of them out")
        self._check_class_weight()
        for name, other in (("border_sigma", "border_weight"), ("on_cells", "crop")):
            if name in options and not getattr(self, other):
                raise InputError(f"{option(name)}: has no effect without {option(other)}; give it too, or leave "
                                 f"{option(name)} out")
        if self.channels % 2 == 0:
            raise InputError(f"--channels {self.channels}: must be odd, so that the frame to segment is in the middle; "
                             f"try {self.channels + 1}")
        if self.channels == 1 and self.neighbours == "copies":
            raise InputError("--neighbours copies: has no effect with --channels 1; give 5, or leave it out")
        multiple = self.multiple
        if self.crop is not None and self.crop % multiple:
            below, above = self.crop // multiple * multiple, -(-self.crop // multiple) * multiple
            near = f"{below} or {above}" if below else f"{above}"
            raise InputError(f"--crop {self.crop}: with {self.levels} levels it must be a multiple of {multiple}; "
                             f"try {near}, or fewer --levels")
        return self

    @property
    def selection(self):
        """What of the files is taken for frames."""
        return Selection(self.channel_index, self.z, self.pattern)

    @property
    def multiple(self):
        """That of the sides of what the network sees, in pixels."""
        return 2 ** (self.levels - 1)

    def as_dict(self):
        """Return the settings as a dict for JSON."""
        return asdict(self)

    @property
    def class_weights(self):
        """Weights of background and cell in the cross-entropy: (1, w) of eq. 60, or the listing's (1, 1 + w).

        Those that depend on the data are known only once these settings are `resolved`.
        """
        if self.cost == "cross_entropy":
            return 1.0, 1.0
        weight = parsed_weight(self.class_weight)
        if isinstance(weight, tuple):
            return weight
        return 1.0, weight + (1.0 if self.class_weight_form == "listing" else 0.0)

    def resolved(self, cells):
        """Return these settings with numbers in place of what depends on the data.

        Parameters
        ----------
        cells : sequence of (int, int)
            Cell pixels, and all pixels, of every training mask; both classes must occur.
        """
        if self.class_weight not in WORDS:
            return self
        resolved = replace(self, class_weight=",".join(map(repr, class_weights(self.class_weight, cells))))
        resolved._check_class_weight()
        return resolved

    def _check_class_weight(self):
        weight = parsed_weight(self.class_weight)
        if isinstance(weight, (str, tuple)) and self.class_weight_form == "listing":
            raise InputError(f"--class-weight {self.class_weight}: the listing's form is for one number; add "
                             "--class-weight-form eq60")
        numbers = () if isinstance(weight, str) else weight if isinstance(weight, tuple) else (weight,)
        for each in numbers:
            if not 1e-6 <= each <= 1e6:                                 # NaN fails too
                raise InputError(f"--class-weight {self.class_weight}: must be above 0 and at most 1000000")


def option(name):
    """Return the command line's name of a setting."""
    return "--" + name.replace("_", "-")


def names():
    """Return the names of all settings."""
    return [field.name for field in fields(Settings)]


def _check_choice(name, value):
    if value not in CHOICES[name]:
        raise InputError(f"{option(name)} {value}: must be one of {', '.join(CHOICES[name])}")
