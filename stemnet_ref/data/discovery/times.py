"""Find numbers and times in names: 2017-03-04_10-00-17, 20170304T1000, 9-30 PM, 00d00h30m, Day1_03h, 0.5min, t0.5.

All parts of a time count together, as one number. Times are held in microseconds, and decimals without a unit in
millionths, so that both are integers.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from itertools import count, pairwise

from ..grouping import grouped

MILLION = 10 ** 6
SECONDS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1, "millisecond": Fraction(1, 1000)}

# A run of more digits is no count, but a name. [0-9], because \d and isdigit() also take digits that int() refuses.
NUMBER = re.compile(r"(?<![0-9])[0-9]{1,30}(?![0-9])")


def _form(text, flags=0):
    """Return a regular expression: in the text <name> is two digits, <name:X> an X, and <=name> the same text again."""
    last, number = {}, count()                          # one name may stand for several groups, hour_0 and hour_4

    def group(match):
        again, name, pattern = match.groups()
        if not again:
            last[name] = f"{name}_{next(number)}"
        return f"(?P={last[name]})" if again else f"(?P<{last[name]}>{pattern or '[0-9]{2}'})"

    return re.compile(re.sub("<(=?)([a-z]+)(?::(.*?))?>", group, text), flags)


_YEAR = "<year:(?:19|20)[0-9]{2}>"
_DATE = f"{_YEAR}(?:<between:[-._]?><month><=between><day>|y<month>m<day>d)"
_HALF = (r"<hour:[0-9]{1,2}>(?:(?:<parts:[-:.]?><minute>(?:<=parts><second>)?|_<minute>_<second>)[ _-]?)?"
         r"<half:[AaPp]>\.?[Mm]\.?(?![A-Za-z])")                                        # 9-30-00 PM
# Without seconds only what cannot be a counter after a date: 20170304_0012 is no time.
_CLOCK = (r"(?:[T_. -]{0,3}<hour>(?:<parts:[-:._ ]?><minute><=parts>|h<minute>m)<second>(?:[.,]<fraction:[0-9]{1,9}>)?"
          r"s?|(?:[T_. -]{1,3}<hour>[-:.h]|T<hour>)<minute>m?)Z?")
_CLOCKS = rf"(?:[T_. -]{{0,3}}{_HALF}|{_CLOCK})"
MOMENT = _form(rf"(?<![0-9])(?:{_DATE}{_CLOCKS}|<year><month><day>[T_-]<hour><minute><second>)(?![0-9])")
STAMP = _form(rf"(?<![0-9]){_DATE}[T_. -]{{0,3}}<hour><minute>(?![0-9])")
LOCAL = _form("(?<![A-Za-z0-9])<one:[0-9]{1,2}><between:[-._]><two:[0-9]{1,2}><=between>"       # 31-01-2024, 1-31-2024
              rf"{_YEAR}(?:{_CLOCKS})?(?![0-9])")
DATE = _form(rf"(?<![A-Za-z0-9]){_DATE}(?![0-9])")
_OF_THE_DAY = rf"{_HALF}|<hour><parts:[-:._]><minute><=parts><second>|<hour>:<minute>"
CLOCK = _form(rf"(?<![0-9])(?:{_OF_THE_DAY})(?![0-9])")
ANY_CLOCK = _form(rf"(?<![0-9])(?:{_OF_THE_DAY}|<hour>-<minute>)(?![0-9])")
COMPACT = _form("(?<![0-9])<hour><minute><second>?(?![0-9])")

_AMOUNT = r"[0-9]{1,30}(?:[.,][0-9]{1,30})?"
_UNITS = {"day": "days?|d", "hour": "hours?|hrs?|h", "minute": "minutes?|mins?|m", "second": "seconds?|secs?|s",
          "millisecond": "msecs?|ms"}
DURATION = re.compile(r"(?<![0-9])(?<![0-9][.,])(?=[0-9])"
                      + "".join(rf"(?:(?P<{unit}>{_AMOUNT}) ?(?:{words})(?:[ _-](?=[0-9]))?"
                                + (r"|(?(hour)(?<=h)(?P<minute_>[0-9]{2})|(?!))" if unit == "minute" else "") + ")?"
                                for unit, words in _UNITS.items())
                      + r"(?<![ _-])(?![A-Za-z0-9])", re.IGNORECASE)
_D, _H, _M = (rf"(?:{_UNITS[unit]})" for unit in ("day", "hour", "minute"))
_HOUR, _MINUTE = "<hour:[0-9]{1,2}>", "<minute:[0-9]{1,2}>"
LAPSE = _form(rf"(?<![A-Z0-9]){_D}[ _-]?<day:[0-9]{{1,4}}>[ _-]?"                       # D01_H05, Day1_Hour2, Day0_03h
              rf"(?:{_H}[ _-]?{_HOUR}(?:[ _-]?{_M}[ _-]?{_MINUTE})?"
              rf"|{_HOUR} ?{_H}(?:[ _-]?{_MINUTE} ?{_M}?)?)(?![A-Z0-9])", re.IGNORECASE)
_TWO = r"(?<![0-9])(?<![0-9][.,])[0-9]{1,30}[.,][0-9]{1,30}(?![0-9])(?![.,][0-9])"
DECIMAL = re.compile(rf"(?:(?<![a-z])t|time)[ _=-]?(?P<decimal>{_TWO})", re.IGNORECASE)
FRACTION = re.compile(rf"(?P<decimal>{_TWO})")
UNDERSCORE = re.compile(rf"(?:(?<![A-Za-z])t|(?i:time))[ _=-]?(?P<decimal>[0-9]{{1,30}}_[0-9]{{1,2}})"    # t0_5h
                        rf"(?= ?(?i:{'|'.join(_UNITS.values())})(?![A-Za-z0-9]))")
AMOUNT = re.compile(rf"(?<![0-9])(?P<decimal>{_AMOUNT})(?![0-9])")
DAY = 86400 * MILLION
ENOUGH = 4              # times with equal steps between them are no chance


@dataclass(frozen=True)
class Field:
    """A number or a time in a label, at label[start:end]."""

    start: int
    end: int
    kind: str       # number; duration, lapse (D01_H05), date, moment, stamp (20170304_1000), clock (10-00-17),
                    # half (9-30 AM), compact (1000); decimal after a t, else fraction
    value: int              # in microseconds, or millionths
    count: int | None = None    # the number itself where it is a whole one
    unit: str = ""          # of time, after it
    digits: int = 0         # how many such a number has


def number(match):
    """Return the Field of a whole number."""
    count = int(match.group())
    return Field(*match.span(), "number", count * MILLION, count, digits=len(match.group()))


def amount(match):
    """Return the Field of a number, whole or not."""
    return number(match) if match.group().isdecimal() else decimal(match)


def moment(match, month_first=False):
    """Return the Field of a date, a time of the day, or both; None where no calendar has it."""
    parts = {name.partition("_")[0]: text for name, text in match.groupdict().items() if text}
    if "one" in parts:
        parts["month"], parts["day"] = (parts[each] for each in (("one", "two") if month_first else ("two", "one")))
    if "half" in parts:
        hour = int(parts["hour"])
        parts["hour"] = hour % 12 + 12 * (parts["half"] in "Pp") if hour <= 12 else 24         # which no calendar has
    names = {"year": 1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
    try:
        passed = datetime(*(int(parts.get(name, default)) for name, default in names.items())) - datetime(1, 1, 1)
    except ValueError:
        return None
    if "hour" not in parts and parts.get("between") == "_":         # rather two sequences and a frame
        return None
    value = passed // timedelta(microseconds=1) + int(_millionths(f"0.{parts.get('fraction', 0)}"))
    of_the_day = "compact" if match.re is COMPACT else "half" if "half" in parts else "clock"
    kind = of_the_day if "year" not in parts else "moment" if "hour" in parts else "date"
    return Field(*match.span(), "stamp" if match.re is STAMP else kind, value)


month_first = partial(moment, month_first=True)


def duration(match):
    """Return the Field of numbers with units of time."""
    amounts = {name.partition("_")[0]: text for name, text in match.groupdict().items() if text}
    if match.re is LAPSE and (int(amounts["hour"]) > 23 or int(amounts.get("minute", 0)) > 59):
        return None
    value = sum(_millionths(text) * SECONDS[unit] for unit, text in amounts.items())
    (unit, text), *more = amounts.items()
    whole = not more and text.isdecimal()
    plain = (int(text), unit, len(text)) if whole else ()
    letters = match.re is LAPSE and re.match("d[^a-z]+h[^a-z]", match.group(), re.IGNORECASE)     # drug 1, human 2?
    return Field(*match.span(), "lapse" if letters else "duration", int(value), *plain)


def decimal(match):
    """Return the Field of a number with a decimal point or comma."""
    kind = "fraction" if match.re in (FRACTION, UNDERSCORE) else "decimal"
    return Field(*match.span("decimal"), kind, int(_millionths(match.group("decimal"))))


COMPOSITE = ((MOMENT, moment), (LOCAL, moment), (LOCAL, month_first), (STAMP, moment), (LAPSE, duration),
             (UNDERSCORE, decimal), (DURATION, duration), (DATE, moment), (CLOCK, moment), (DECIMAL, decimal),
             (FRACTION, decimal), (COMPACT, moment))                # the surest first
READINGS = ((MOMENT, moment), (STAMP, moment), (LOCAL, moment), (LOCAL, month_first), (ANY_CLOCK, moment),
            (LAPSE, duration), (DURATION, duration), (DATE, moment), (AMOUNT, amount))
HALVES = re.compile(r"(?<=#)([ _-]?)[ap](?=\.?m\.?(?![a-z]))", re.IGNORECASE)


def _millionths(text):
    return Fraction(text.replace(",", ".").replace("_", ".")) * MILLION


def fields(labels):
    """Return the Fields of each label, in their order.

    Labels that differ in their digits only, and in AM and PM, are read alike: what is no date in one of them is a date
    in none.
    """
    found = {}
    for group in grouped(labels, lambda label: HALVES.sub(r"\1x", NUMBER.sub("#", label))).values():
        composites, common = _common(group)
        for label, each in zip(group, composites, strict=True):
            covered = {at for _, first, last in common for at in range(first, last + 1)}
            numbers = [number(match) for at, match in enumerate(NUMBER.finditer(label)) if at not in covered]
            found[label] = sorted([*(each[key] for key in common), *numbers], key=lambda field: field.start)
    return [found[label] for label in labels]


def _common(group):
    """Return the times of each label of a group, by keys, and which keys all of them have.

    Where a reading does not fit all of them, the next one for the same text is tried.
    """
    refused = set()
    while True:
        composites = [_composites(label, refused) for label in group]
        common = set.intersection(*map(set, composites))
        apart = set.union(*map(set, composites)) - common
        if apart:
            refused.add(min(apart))
            continue
        wrong = set()
        for key in sorted(common):
            column = [each[key] for each in composites]
            rest = [tuple(text for at, text in enumerate(NUMBER.findall(label)) if not key[1] <= at <= key[2])
                    for label in group]
            texts = [label[field.start:field.end] for label, field in zip(group, column, strict=True)]
            values = _times(column[0].kind, [field.value for field in column], texts, rest)
            if values is None or (COMPOSITE[key[0]] == (LOCAL, moment) and _is_month_first(values, texts, rest)):
                wrong.add(key)
            for each, value in zip(composites, values or (), strict=False):
                each[key] = replace(each[key], value=value)
        if not wrong:
            return composites, common
        refused |= wrong


def _composites(label, refused):
    """Return the times of a label, by reading and by the indices of their first and last number."""
    starts = [match.start() for match in NUMBER.finditer(label)]
    found, taken = {}, set()
    for reading, (pattern, read) in enumerate(COMPOSITE):
        for match in pattern.finditer(label):
            field = read(match)
            within = [at for at, start in enumerate(starts) if field and field.start <= start < field.end]
            if within and not taken & {*within} and (reading, within[0], within[-1]) not in refused:
                taken |= {*within}
                found[reading, within[0], within[-1]] = field
    return found


def _times(kind, values, texts, rest):
    """Return the values of what looks like times, or None where they are counters.

    Counters are 20170304_000001 to 000059, and t1.9 before t1.10. What has neither a date nor a unit nor a t, as
    10-00-17, 1000 and 0.5, is a time where it rises by regular steps in names whose other numbers, `rest`, are equal;
    and where counters would leave each file alone, as the seconds of 10-00-17, 10-10-19, 10-20-14 would.
    """
    if kind == "moment":
        seconds = {value // MILLION % 86400 for value in values}
        return None if len(seconds) > 1 and max(seconds) < 60 else values
    if kind in ("decimal", "fraction") and len(set(values)) < len(set(texts)):
        return None
    if kind in ("duration", "date", "decimal"):
        return values
    if kind not in ("fraction", "stamp", "lapse"):
        values = _over_midnight(values)
    if kind == "half":
        return values
    groups = _by_rest(values, texts, rest)
    if kind == "lapse":
        return values if all(len(group) >= ENOUGH and regular(group) for group in groups) else None
    several = [group for group in groups if len(group) > 1]
    if not several or min(map(len, several)) < ENOUGH:
        return None
    if kind == "stamp":                                 # 20240131_1050, 1100, 1110, or over midnight
        days = [{value: int(text[-4:]) for value, text in group.items() if value // DAY == day}
                for group in several for day in {value // DAY for value in group}]
        clear = all(map(regular, days)) and not all(regular(day.values()) for day in days)
        return values if clear or (len(days) > len(several) and all(map(regular, several))) else None
    parts = [[re.split("[^0-9]", text) for text in group.values()] for group in several]
    if not all(map(regular, several)):
        are_times = kind != "compact" and all(
            len({*map(tuple, (each[:-1] for each in group))}) == len(group) <= 2 * len({each[-1] for each in group})
            for group in parts)
    elif kind == "fraction":                            # 0.5, 1.0, 1.5, but not 1.1, 1.2, 1.3
        step = min(b - a for a, b in pairwise(sorted(several[0])))
        are_times = step > MILLION // 10 ** max(len(each[-1]) for group in parts for each in group)
    elif kind == "compact":                             # 1050, 1100, 1110, but not 1030, 1040, 1050
        are_times = len(set(map(len, texts))) == 1 and not all(regular(map(int, group.values())) for group in several)
    else:
        are_times = True
    return values if are_times else None


def _is_month_first(values, texts, rest):
    """Return whether dates of which the day and the month could be either rise more regularly with the month first.

    Where neither is regular, the one that takes less time in all is likelier.
    """
    others = [month_first(LOCAL.fullmatch(text)) for text in texts]
    if not all(others):
        return False

    def spread(values):
        return not all(map(regular, _by_rest(values, texts, rest))), max(values) - min(values)

    return spread([other.value for other in others]) < spread(values)


def _by_rest(values, texts, rest):
    """Return the text of each value, a dict for each different element of `rest`."""
    groups = grouped(zip(values, texts, rest, strict=True), lambda each: each[2])
    return [{value: text for value, text, _ in group} for group in groups.values()]


def regular(numbers):
    """Return whether numbers rise by nearly equal steps; up to two in a row may be missing."""
    steps = [b - a for a, b in pairwise(sorted(numbers))]
    least = min(steps, default=0)
    return all(abs(each / least - round(each / least)) <= 0.1 and round(each / least) <= 3 for each in steps)


def _over_midnight(values):
    """Return times of the day with a day added to those before the longest pause, where that is not at midnight."""
    times = sorted(set(values))
    pauses = {b - a: b for a, b in pairwise(times)}
    longest = max(pauses, default=0)
    if longest <= times[0] + DAY - times[-1]:
        return values
    return [value + DAY if value < pauses[longest] else value for value in values]
