"""Options of the command line and settings, each stated once: meaning, default, values; and the parser of options."""

import argparse
import difflib
import os
import sys
from dataclasses import dataclass, field
from types import NoneType
from typing import get_args

from ..errors import InputError
from .terminal import one_line

NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}
METAVARS = {int: "N", float: "X", str: "TEXT"}
MAX_LIMIT = 1 << 16         # the help leaves out larger limits, which nobody reaches


@dataclass(frozen=True)
class Option:
    """An option or a setting, as the parser, the checks and the messages need to know it."""

    help: str                           # its meaning; limits, choices, needs and default are added to it
    default: object = None              # value where it is not given; with argparse.SUPPRESS it is absent then
    type: object = str                  # type or union of types of the value; None among them stands for no value
    limits: tuple | None = None         # smallest and largest number
    choices: tuple | None = None        # the only texts that it takes, or the only values where there are no limits
    takes: str | None = None            # text for the values that it takes, where limits and choices do not say it
    read: object = None                 # returns the value of a text, or raises ValueError; by default the types do
    # Values of another option, by its name, with which this one has an effect: a tuple, or the text by which the help
    # calls all values but 0 and None
    needs: dict = field(default_factory=dict)
    default_text: str | None = None     # default as the help gives it
    metavar: str | None = None          # placeholder for the value in the help
    group: str | None = None            # heading above the option in the help
    required: bool = False
    also: tuple = ()                    # further flags

    @property
    def types(self):
        """Types of the value, a tuple."""
        return get_args(self.type) or (self.type,)

    @property
    def domain(self):
        """Values that the option takes, as text."""
        if self.takes:
            return self.takes
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.limits:
            return "from {} to {}".format(*map(worded, self.limits))
        return next(NOUNS[kind] for kind in self.types if kind in NOUNS)

    def check(self, flag, value):
        """Raise InputError, which names the option by its flag, unless the option takes the value."""
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
        """Return the value of a text of the command line; raise InputError if the option does not take it."""
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
        """Return the help of the option, with its limits, its needs among `options`, and its default."""
        has_limits = self.limits and not self.choices and (self.takes or self.limits[1] <= MAX_LIMIT)
        notes = [self.domain] if has_limits else []
        notes += [f"only with {flag_of(name)} {values if isinstance(values, str) else ' or '.join(values)}".rstrip()
                  for name, values in self.needs.items() if name in options]
        no_default = any(self.default is value for value in (None, False, argparse.SUPPRESS))
        default = self.default_text or ("" if no_default else worded(self.default))
        notes += [f"default: {default}"] if default else []
        return (self.help + (f" ({'; '.join(notes)})" if notes else "")).replace("%", "%%")

    def add_to(self, parser, name, options):
        """Add the option to a parser, or to a group of its options; `options` are all options of the parser."""
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
    """Stores the value of an Option's text in the result."""

    def __init__(self, option, **rest):
        super().__init__(**rest)
        self.option = option
        self.seen = None, None          # result of the parser that was stored in last, and the flag that was given

    def __call__(self, parser, namespace, text, flag=None):
        result, other = self.seen
        if result is namespace and flag != other:
            raise InputError(f"{flag} {text}: {flag} and {other} are names of one option; leave one of them out")
        self.seen = namespace, flag
        setattr(namespace, self.dest, self.option.parse(flag, text))


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line, with exit status 2.

    It takes the Options in the dict `options` by their names, each under the heading of its group.
    """

    def __init__(self, prog=None, description=None, options=None, **rest):
        super().__init__(prog=prog, description=description, **rest)
        options, groups = options or {}, {None: self}
        for name, option in options.items():
            if option.group not in groups:
                groups[option.group] = self.add_argument_group(option.group)
            option.add_to(groups[option.group], name, options)

    def parse_args(self, args=None, namespace=None):
        """Return the options given; report an unknown option together with the known option most like it."""
        args = sys.argv[1:] if args is None else list(args)
        for text in args:
            if text.startswith("--") and text.endswith("=--"):      # argparse of some Python versions drops the --
                self.error(f"{text}: -- is no value; a file of this name is ./--")
            if text.startswith("--="):                          # argparse takes it for the beginning of every option
                self.error(f"{text}: no such option")
        given, unknown = self.parse_known_args(args, namespace)
        if "--" in args and all(action.option_strings for action in self._actions):
            self.error("--: no such option")                            # names the --, not the word after it
        unknown = [text for text in unknown if text != "--"]            # some Python versions leave it there
        for name, value in vars(given).items():
            if value == "":
                as_option = any(text.partition("=")[0] == flag_of(name) for text in args)
                self.error(f"{flag_of(name) if as_option else name.upper()}: the value is empty; give one, or leave it "
                           "out")
        if unknown:
            self._refuse(unknown[0].partition("=")[0], getattr(given, "resume", False))
        return given

    def _refuse(self, name, resume):
        """End the program because of a word that is no option, or belongs to none."""
        if name.startswith("-"):
            like = difflib.get_close_matches(name, self._option_string_actions, n=1) if name.strip("-") else []
            self.error(f"{name}: no such option" + (f", did you mean {like[0]}?" if like else ""))
        hint = ' (a pattern such as "frames/*.png" must be in quotes)' if os.path.exists(name) else ""
        self.error(f"{name}: belongs to no option" + (
            f"; --resume takes no value, name the run by --out {name}" if resume else hint))

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")

    def exit(self, status=0, message=None):
        super().exit(status, message and one_line(message.rstrip("\n")) + "\n")


def check_effects(options, given, values):
    """Raise InputError where one of the options `given`, by name, has no effect beside the `values` of all."""
    for name in given:
        for other, wanted in options[name].needs.items():
            value = values.get(other)
            if isinstance(wanted, str) and not value:
                raise InputError(f"{flag_of(name)}: has no effect without {flag_of(other)}; give it too, or leave "
                                 f"{flag_of(name)} out")
            if isinstance(wanted, tuple) and value not in wanted:
                raise InputError(f"{flag_of(name)}: has no effect with {flag_of(other)} {value}; leave one of them out")


def flag_of(name):
    """Return the flag of an option on the command line."""
    return "--" + name.replace("_", "-")


def worded(value):
    """Return a value as it is written on the command line."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def sides(text):
    """Return (height, width) in pixels of "64" or "64x96"; raise ValueError where it is neither."""
    found = [int(part) for part in text.lower().split("x")]
    if len(found) > 2 or not all(0 < side <= 1 << 16 for side in found):
        raise ValueError(text)
    return tuple(found * 2 if len(found) == 1 else found)
