"""The variants that are compared: the columns of the table, and the settings that each of them changes."""

from dataclasses import dataclass, replace

from ..data.split import split
from ..errors import InputError
from ..program.options import flag_of
from ..training.settings import OPTIONS, PRESETS, Settings, renamed


@dataclass(frozen=True)
class Variant:
    """A column of the table."""

    name: str               # beginning of the names of its runs' folders
    title: str
    settings: Settings      # settings with the first seed

    def seeded(self, seed):
        """Return the settings with another seed."""
        return replace(self.settings, seed=seed)


CHANNELS = 5            # of the networks that are varied
FIVE_FRAMES = "Network5, Table 1"       # the reference for the columns of Network5 behind it
# Table 3: name, title, changed settings
TABLE_3 = (
    ("network1-table1", "Network1, Table 1", {"channels": 1}),
    ("network5-table1", FIVE_FRAMES, {"channels": 5}),
    ("network5-table2", "Network5, Table 2", {"channels": 5, "preset": "thesis-table2"}),
)
FAKE = ("network5-copies", "Network5 of five copies, Table 1", {"channels": 5, "neighbours": "copies"})


def of_table_3(given, fake=False):
    """Return the Variants of Table 3, and if `fake` the network that sees the same frame five times.

    `given` are the settings that all share, as the user chose them; InputError is raised for one that the tables fix. A
    learning rate is that of Table 1; that of Table 2 stays two thirds of it.
    """
    for name in ("preset", "channels", "neighbours"):
        if name in given:
            raise InputError(f"{flag_of(name)}: Tables 1 and 2 have their own; leave it out, or give --vary "
                             f"{name}=A,B,C")
    variants = []
    for name, title, changes in (*TABLE_3, *([FAKE] if fake else [])):
        chosen = {**given, **changes}
        if "preset" in changes and {"learning_rate", "optimizer"} & given.keys():
            rate = Settings.from_options({**chosen, "preset": "thesis"}).learning_rate
            share = PRESETS[changes["preset"]]["learning_rate"] / Settings.learning_rate
            chosen["learning_rate"] = float(f"{rate * share:.6g}")
        variants.append(Variant(name, title, Settings.from_options(chosen)))
    return variants


def of_sweep(given, name, values):
    """Return a Variant for every value of a setting, of Network5 unless `given` has other channels.

    `given` are the other settings, as the user chose them; `values` those of the setting by their names in the table.
    """
    return [Variant(f"{name}-{written.replace(',', '-')}", f"{flag_of(name)} {written}",
                    Settings.from_options({"channels": CHANNELS, **given, name: value}))
            for written, value in values.items()]


def with_one_gap(variants, frames, masks, log):
    """Return the variants with the gap of the widest window where none was given, so that all train on the same frames.

    Where there are several sequences whole ones are kept for validation, and the variants are returned as they are.
    `frames` are the Frames to train and validate on, `masks` the mask of each or None; `log` takes a line for the user.
    """
    usable = [index for index, mask in enumerate(masks) if mask]
    if len({frames[index].sequence for index in usable}) > 1:
        return variants
    widest = max(variant.settings.channels for variant in variants)
    gaps = [split(frames, masks, replace(variant.settings, channels=widest)).gap for variant in variants]
    found = [replace(variant, settings=replace(variant.settings, gap=gap))
             for variant, gap in zip(variants, gaps, strict=True)]
    chosen = {*gaps} - {variant.settings.gap for variant in variants} - {widest}
    if chosen:
        log(f"note: --gap {min(chosen)} was chosen for all networks, so that frames are left to train on")
    return found


def parsed(text):
    """Return the name of a setting, and its values by their names in the table, from "NAME=A,B,C" or "NAME=A;B;C"."""
    name, equals, values = text.partition("=")
    name, = renamed({name.strip().removeprefix("--").replace("-", "_"): values})
    written = [value.strip() for value in values.split(";" if ";" in values else ",")]
    if not equals or not all(written) or len(written) < 2:
        raise InputError(f"--vary {text}: must be NAME=A,B, with two values or more, as in keep_prob=0.5,0.75; values "
                         "that have commas themselves have semicolons between them")
    if name not in OPTIONS or OPTIONS[name].type is bool or name == "seed":
        raise InputError(f"--vary {text}: {name} cannot be varied; options with a value can, such as levels, "
                         "keep_prob, class_weight, l2")
    found = {}
    for each in written:
        value = OPTIONS[name].parse(flag_of(name), each)
        label = f"{value:g}" if isinstance(value, float) else str(value or 0)           # None is --crop 0
        if label in found:
            raise InputError(f"--vary {text}: {label} stands there twice; give each value once")
        found[label] = value
    return name, found

