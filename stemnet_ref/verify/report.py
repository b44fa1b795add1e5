"""The table of a comparison, as text."""

import numpy as np

from ..errors import counted
from .compare import layer_of

HEADER = ("", "layer", "tensor", "difference", "relative", "bound", "of bound", "from golden", "")


def lines(report, every=False):
    """Return the lines of the table and what was found.

    Parameters
    ----------
    report : compare.Report
    every : bool
        A line for every tensor, not one for every layer.
    """
    first = report.first
    groups = [[row] for row in report.rows] if every else _grouped(report.rows)
    table = [HEADER, *(_line(rows, first, every) for rows in groups)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADER))]
    text = []
    for line in table:
        cells = [cell.rjust(width) if 3 <= column <= 7 else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(line, widths, strict=True))]
        text.append("  ".join(cells).rstrip())
    text.append("")
    if report.agrees:
        worst = max(row.share for row in report.rows)
        return [*text, f"agrees: {counted(len(report.rows), 'tensor')}, none differs by more than {worst:.2g} of what "
                       "rounding allows"]
    departing = sum(row.verdict != "agrees" for row in report.rows)
    text.append(f"differs: {departing} of {counted(len(report.rows), 'tensor')}, {first.key} the first")
    return [*text, *(f"  {number}. {sentence[0].upper()}{sentence[1:]}" if sentence[0].isalpha() else
                     f"  {number}. {sentence}" for number, sentence in enumerate(report.diagnoses(), 1))]


def group_of(key):
    """Return the step, the pass and the layer whose line a tensor is on; later steps have a line a pass."""
    if "/" not in key:
        return "", "forward" if key in ("input", "y", "cost") else "backward", key
    step, kind, *_ = key.split("/")
    if step == "0":
        return "0", "start", "all"
    if kind in ("cost", "parameter"):
        return step, kind, "all" if kind == "parameter" else ""
    passed = "forward" if kind == "forward" else "backward"
    layer = "output" if layer_of(key) == "cost" else layer_of(key)
    return step, passed, layer if step == "1" else "all"


def _grouped(rows):
    groups = {}
    for row in rows:
        groups.setdefault(group_of(row.key), []).append(row)
    return list(groups.values())


def _line(rows, first, every):
    """Return the cells of a line: the first tensor that departs by itself, or that nearest to its bound."""
    step, passed, layer = group_of(rows[0].key)
    row = next((row for row in rows if row.verdict == "departs"), max(rows, key=lambda row: row.share))
    verdict = next((verdict for verdict in ("departs", "follows") if any(row.verdict == verdict for row in rows)),
                   "agrees")
    if first is not None and any(each is first for each in rows):
        verdict = "DEPARTS FIRST"
        row = first
    name = row.key if every else row.key.partition("/")[2].partition("/")[2] or row.key.rpartition("/")[2]
    share = f"{row.share:.2g}" if row.share < 1e6 else "> 1e6"
    return (f"{step} {passed}".strip() if not every else "", layer if not every else "", name,
            f"{row.difference:.2e}", f"{row.relative:.1e}", f"{row.bound:.1e}", share,
            "" if np.isnan(row.drift) else f"{row.drift:.1e}", verdict)
