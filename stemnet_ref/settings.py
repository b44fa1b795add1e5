"""The settings of a training run, their presets and their limits."""

from dataclasses import asdict, dataclass, fields

from .errors import InputError
from .network import PRESETS as NETWORK_PRESETS

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
    "scaling": ("standard", "minus127"),
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
    "class_weight": (1e-6, 1e6, "above 0 and at most 1000000"),
    "l1": (0, 10 ** 6, None),
    "l2": (0, 10 ** 6, None),
    "validation": (1e-6, 0.999999, "above 0 and below 1, the part of the frames to validate on"),
    "gap": (0, 10 ** 6, None),
    "seed": (0, 2 ** 63, None),
}

# option: the settings under which it has an effect
NEEDS = {
    "momentum": ("optimizer", ("momentum",)),
    "momentum_form": ("optimizer", ("momentum",)),
    "adam_form": ("optimizer", ("adam",)),
    "class_weight": ("cost", ("weighted_cross_entropy",)),
    "class_weight_form": ("cost", ("weighted_cross_entropy",)),
}


@dataclass(frozen=True)
class Settings:
    """Every setting of a run that its result depends on; the defaults are Table 1's where the thesis names them."""

    preset: str = "thesis"
    channels: int = 1
    levels: int = 6
    features: int = 16
    logits: str = "linear"
    init: str = "fan_in"
    scaling: str = "standard"
    epochs: int = 8
    batch_size: int = 1
    crop: int | None = 128              # side in pixels; None: whole frames
    crops_per_frame: int | None = None  # in an epoch; None: as many as have the frame's area
    augment: bool = False
    optimizer: str = "momentum"
    learning_rate: float = 0.15
    decay_rate: float = 0.95            # per epoch, staircase
    momentum: float = 0.2
    momentum_form: str = "thesis"
    adam_form: str = "kingma"
    keep_prob: float = 0.75
    cost: str = "weighted_cross_entropy"
    class_weight: float = 2.0           # of the cell
    class_weight_form: str = "eq60"     # listing: the factor is 1 + class_weight
    l1: float = 0.0
    l2: float = 0.0
    validation: float = 0.2
    gap: int | None = None              # frames between training and validation; None: the window's width
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
        if values.get("gap") is None:
            values["gap"] = values.get("channels", cls.channels)
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
        if self.channels % 2 == 0:
            raise InputError(f"--channels {self.channels}: must be odd, so that the frame to segment is in the middle; "
                             f"try {self.channels + 1}")
        multiple = 2 ** (self.levels - 1)
        if self.crop is not None and self.crop % multiple:
            below, above = self.crop // multiple * multiple, -(-self.crop // multiple) * multiple
            near = f"{below} or {above}" if below else f"{above}"
            raise InputError(f"--crop {self.crop}: with {self.levels} levels it must be a multiple of {multiple}; "
                             f"try {near}, or fewer --levels")
        return self

    def as_dict(self):
        """Return the settings as a dict for JSON."""
        return asdict(self)

    @property
    def class_weights(self):
        """Weights of background and cell in the cross-entropy: (1, w) of eq. 60, or the listing's (1, 1 + w)."""
        if self.cost == "cross_entropy":
            return 1.0, 1.0
        return 1.0, self.class_weight + (1.0 if self.class_weight_form == "listing" else 0.0)


def option(name):
    """Return the command line's name of a setting."""
    return "--" + name.replace("_", "-")


def names():
    """Return the names of all settings."""
    return [field.name for field in fields(Settings)]


def _check_choice(name, value):
    if value not in CHOICES[name]:
        raise InputError(f"{option(name)} {value}: must be one of {', '.join(CHOICES[name])}")
