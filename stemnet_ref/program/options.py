"""Options of the command line and settings, each stated once: its meaning, its default, and the values it takes."""

import argparse
from dataclasses import dataclass, field
from types import NoneType
from typing import get_args

from ..errors import InputError

NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}
METAVARS = {int: "N", float: "X", str: "TEXT"}
MAX_SHOWN = 1 << 16         # the help leaves out larger limits, which nobody meets


@dataclass(frozen=True)
class Option:
    """What parser, checks and messages need to know of an option or a setting.

    Attributes
    ----------
    help : str
        Its meaning. The help adds limits, choices, needs and default.
    default : object
        Its value where it is not given; argparse.SUPPRESS: it is absent from the result.
    type : type or union of types
        Types of its value; None among them stands for no value.
    limits : tuple of two numbers, optional
        Smallest and largest number.
    choices : tuple, optional
        The only words that it takes, or values where there are no limits.
    takes : str, optional
        What it takes, in words, where limits and choices do not say it.
    read : callable, optional
        Returns the value of a text, or raises ValueError; else the types do.
    needs : dict
        By the name of another option, the values with which this option has an effect: a tuple, or what all but 0 and
        no value are called in the help.
    shown : str, optional
        The default in words.
    metavar, group : str, optional
        What stands for the value in the help, and the heading that the option stands under.
    required : bool
        Whether it must be given.
    also : tuple of str
        Other flags for it.
    """

    help: str
    default: object = None
    type: object = str
    limits: tuple | None = None
    choices: tuple | None = None
    takes: str | None = None
    read: object = None
    needs: dict = field(default_factory=dict)
    shown: str | None = None
    metavar: str | None = None
    group: str | None = None
    required: bool = False
    also: tuple = ()

    @property
    def types(self):
        """The types of its value, a tuple."""
        return get_args(self.type) or (self.type,)

    @property
    def domain(self):
        """What it takes, in words."""
        if self.takes:
            return self.takes
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.limits:
            return "from {} to {}".format(*map(worded, self.limits))
        return next(NOUNS[kind] for kind in self.types if kind in NOUNS)

    def check(self, flag, value):
        """Raise InputError, which names the option by its flag, unless it takes the value."""
        if value is None and NoneType in self.types:
            return
        kinds = tuple({*self.types, int} if float in self.types else self.types)    # a whole number is a number too
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            noun = " or ".join(NOUNS[kind] for kind in self.types if kind in NOUNS)
            raise InputError(f"{flag} {value!r:.80}: must be {noun}")
        if isinstance(value, str) or self.limits is None:
            good = self.choices is None or value in self.choices
        else:
            good = self.limits is None or self.limits[0] <= value <= self.limits[1]         # NaN is not
        if not good:
            raise InputError(f"{flag} {worded(value)}: must be {self.domain}")

    def parse(self, flag, text):
        """Return the value of a text of the command line.

        Raises
        ------
        InputError
            If the option does not take it.
        """
        for read in (self.read,) if self.read else [kind for kind in (int, float, str) if kind in self.types]:
            try:
                value = read(text)
            except ValueError:
                continue
            self.check(flag, value)
            return value
        noun = NOUNS[self.types[0]] if self.limits else self.domain
        raise InputError(f"{flag} {text!r}: must be {noun}")

    def described(self, options):
        """Return its help, with limits, what it needs of `options`, and its default."""
        telling = self.limits and not self.choices and (self.takes or self.limits[1] <= MAX_SHOWN)
        notes = [self.domain] if telling else []
        notes += [f"only with {flag_of(name)} {values if isinstance(values, str) else ' or '.join(values)}".rstrip()
                  for name, values in self.needs.items() if name in options]
        unsaid = any(self.default is value for value in (None, False, argparse.SUPPRESS))
        default = self.shown or ("" if unsaid else worded(self.default))
        notes += [f"default: {default}"] if default else []
        return (self.help + (f" ({'; '.join(notes)})" if notes else "")).replace("%", "%%")

    def add_to(self, parser, name, options):
        """Add the option to a parser, or to a group of one, that has `options`."""
        common = {"dest": name, "default": self.default, "required": self.required, "help": self.described(options)}
        if self.type is not bool:
            words = f"{{{','.join(map(str, self.choices))}}}" if self.choices else METAVARS.get(self.types[0])
            metavar = self.metavar or words
            parser.add_argument(flag_of(name), *self.also, action=_Parse, option=self, metavar=metavar, **common)
        elif self.default is argparse.SUPPRESS:
            parser.add_argument(flag_of(name), action=argparse.BooleanOptionalAction, **common)
        else:
            parser.add_argument(flag_of(name), action="store_true", **common)


class _Parse(argparse.Action):
    """Puts the value of an Option's text into the result."""

    def __init__(self, option, **rest):
        super().__init__(**rest)
        self.option = option

    def __call__(self, parser, namespace, text, flag=None):
        setattr(namespace, self.dest, self.option.parse(flag, text))


def add_options(parser, options):
    """Add Options to a parser by their names, each under the heading of its group."""
    groups = {None: parser}
    for name, option in options.items():
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        option.add_to(groups[option.group], name, options)


def check_effects(options, given, values):
    """Raise InputError where an option has no effect beside the others.

    Parameters
    ----------
    options : dict of str to Option
    given : iterable of str
        Names of the options that the user has set.
    values : dict
        Values of all options by name.
    """
    for name in given:
        for other, wanted in options[name].needs.items():
            value = values.get(other)
            if isinstance(wanted, str) and not value:
                raise InputError(f"{flag_of(name)}: has no effect without {flag_of(other)}; give it too, or leave "
                                 f"{flag_of(name)} out")
            if isinstance(wanted, tuple) and value not in wanted:
                raise InputError(f"{flag_of(name)}: has no effect with {flag_of(other)} {value}; leave one of them out")


def flag_of(name):
    """Return the command line's name of an option."""
    return "--" + name.replace("_", "-")


def worded(value):
    """Return a value as the command line has it."""
    return str(value).removesuffix(".0")


def sides(text):
    """Return (height, width) in pixels of "64" or "64x96"; raise ValueError where it is neither."""
    found = [int(part) for part in text.lower().split("x")]
    if len(found) > 2 or not all(0 < side <= 1 << 16 for side in found):
        raise ValueError(text)
    return tuple(found * 2 if len(found) == 1 else found)


def written(sides):
    """Return (height, width) as `sides` reads it."""
    return f"{sides[0]}" if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}"
