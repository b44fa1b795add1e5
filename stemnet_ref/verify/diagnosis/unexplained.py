"""What is said of a row that nothing explains; the functions take its `explanation.Explanation`."""

from . import observations


def said(explanation):
    """Return the hint: what is seen in the numbers, or else that nothing is known, and what was not tried."""
    search, many = explanation.search, explanation.many
    if search.lost:
        return ""
    if hint := seen(explanation):
        return hint
    known = observations.UNKNOWN if many else observations.TOO_FEW
    more = observations.MORE if not many and set(explanation.comparison.known) - {*search.before} else ""
    of_update = observations.OF_UPDATE if _is_update(explanation) else ""
    return (observations.HURRIED if search.hurried else known) + more + of_update


def seen(explanation):
    """Return what is seen in the numbers, and whether all conventions were tried before; or ""."""
    search = explanation.search
    if search.lost:
        return ""
    rows = dict.fromkeys((explanation.itself, explanation.row))
    found = (observations.of_row(row, explanation.comparison, explanation.trace) for row in rows)
    hint = next(filter(None, found), "")
    return hint.replace(observations.NOT_KNOWN, observations.NOT_FOUND) if search.hurried else hint


def _is_update(explanation):
    """Return whether the row is a parameter whose gradient is given, and agrees."""
    step, kind, name = explanation.row.parts
    gradient = explanation.search.before.get(f"{step}/gradient/{name}")
    return kind == "parameter" and gradient is not None and gradient.verdict == "agrees"
