"""The equations of the thesis, as tests are marked with them, and which of them `--equation` means."""

# The number 3 is used twice: for the temporal median (section 6.4) and for the cost (section 7.2.1).
EQUATIONS = {"1", "2", "3-background", "3-cost", *(str(number) for number in range(4, 64))}


def chosen(number):
    """Return the equations of a number, "3" of both; raise ValueError, which names those there are, for another."""
    found = {each for each in EQUATIONS if number in (each, each.partition("-")[0])}
    if not found:
        raise ValueError(f"--equation {number!r}: the thesis has no such equation; give a number from 1 to 63, "
                         "3-background or 3-cost")
    return found
