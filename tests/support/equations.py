"""The equations of the thesis, as tests are marked with them, and which of them `--equation` means."""

import re

# The number 3 is used twice: for the temporal median (section 6.4) and for the cost (section 7.2.1).
EQUATIONS = {"1", "2", "3-background", "3-cost", *(str(number) for number in range(4, 64))}


def chosen(number):
    """Return the equations of a number, "3" of both; raise ValueError, which names those there are, for another."""
    found = {each for each in EQUATIONS if number in (each, each.partition("-")[0])}
    if not found:
        raise ValueError(f"--equation {number!r}: the thesis has no such equation; give a number from 1 to 63, "
                         "3-background or 3-cost")
    return found


def named_in_code(sources):
    """Return the numbers after "eq." or "Eq." in the sources, ranges such as 30-36 spread out."""
    numbers = set()
    for source in sources:
        for text in re.findall(r"[Ee]q\. ((?:\d+(?:-\d+)?(?:, | and |; eq\. )?)+)", source):
            for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
                numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def stated(documentation):
    """Return the numbers of the equations that a module of layers states: in the second paragraph of its docstring."""
    return named_in_code(documentation.split("\n\n")[1:2])
