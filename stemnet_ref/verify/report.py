"""What came of a comparison, and its table as text."""

from dataclasses import dataclass, field

import numpy as np

from ..errors import pluralize
from . import coverage
from .coverage import NOTHING
from .expected.key import Key

HEADER = ("", "layer", "tensor", "difference", "relative", "bound", "of bound", "from golden", "")



@dataclass(frozen=True)
class Row:
    """What came of one tensor; what is expected is computed from the actual input to its layer."""

    key: str
    difference: float           # largest |actual - expected|
    relative: float             # `difference`, divided by the largest |expected|
    bound: float                # largest difference that rounding allows, at the element where `difference` is
    share: float                # largest share of its bound that the difference of an element has; above 1 it departs
    # "agrees"; "departs"; "follows" from a difference that has been named; "unclear", where the parameters that its
    # step began with are not given, the bound says nothing, and the number is not near the golden file's; or NOTHING,
    # where it has other numbers than the reference, but the reference's own mean nothing
    verdict: str
    worst: tuple = (0, 0.0)     # place of the element with the largest share, in the order of memory; its difference
    rms: float = 0.0            # root mean square of the difference, divided by that of what is expected
    # cosine of the angle between the difference and what is expected: 1 where all numbers are wrong by one factor, near
    # 0 where they are rounded
    aligned: float = 0.0
    drift: float = np.nan       # largest |actual - golden file's|, divided by the golden file's largest: all in all
    # whether the bound is so wide that agreement says little: near to the numbers themselves, or beyond what departs
    # without the conventions that are assumed
    vague: bool = False
    consulted: frozenset = frozenset()      # conventions that could change it
    spread: bool = False        # whether it agrees only if convolutions spread the rounding of large numbers to small

    @property
    def parts(self):
        """Parts of the key."""
        return Key.of(self.key)


@dataclass(frozen=True)
class Report:
    """The rows of the table in the order of the data, and what explains those that depart."""

    rows: tuple
    known: tuple = ()           # keys of the tensors that an implementation of the golden file computes
    # the conventions that were found, by name: a list of the layers in which one holds, or None for everywhere
    conventions: dict = field(default_factory=dict)
    diagnoses: tuple = ()       # what was found, a sentence each
    notes: tuple = ()           # what is worth knowing though it is no fault, a sentence each

    @property
    def agrees(self):
        """Whether no tensor departs, and nothing else is wrong."""
        verdicts = {row.verdict for row in self.rows}
        return not self.diagnoses and verdicts <= {"agrees", NOTHING} and "agrees" in verdicts

    @property
    def first(self):
        """The first row that departs, or None."""
        return next((row for row in self.rows if row.verdict in ("departs", "follows")), None)


def lines(report, every=False, only=()):
    """Return the lines of the table, what was found, and what was not compared.

    Parameters
    ----------
    report : Report
    every : bool
        A line for every tensor, not one for every layer.
    only : tuple of str
        The kinds of tensors that the user has asked for; see `coverage`.
    """
    first = report.first
    groups = {}
    for row in report.rows:
        groups.setdefault(row.key if every else group_of(row), []).append(row)
    table = [HEADER, *(_line(rows, first, every) for rows in groups.values())]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADER))]
    empty = [not any(line[column] for line in table[1:]) for column in range(len(HEADER))]
    text = []
    for line in table:
        cells = [cell.rjust(width) if 3 <= column <= 7 else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(line, widths, strict=True)) if not empty[column]]
        text.append("  ".join(cells).rstrip())
    text.append("")
    left_out, notes = coverage.left_out(report), [f"  note: {note}" for note in (*report.notes, *_of_nothing(report))]
    if report.agrees:
        worst = max((row.share for row in report.rows if row.verdict == "agrees"), default=0.0)
        found = (f"{coverage.share(report)}, none differs by more than {worst:.2g} of what rounding allows"
                 + (f"; {left_out}" if left_out else ""))
        lacking = coverage.lacking(report, only)
        return [*text, f"cannot tell: {lacking}; agrees in {found}" if lacking else f"agrees: {found}",
                *notes]
    if {row.verdict for row in report.rows} == {NOTHING}:
        text.append("cannot tell: no tensor says anything")
    departing = sum(row.verdict in ("departs", "follows") for row in report.rows)
    unclear = [row for row in report.rows if row.verdict == "unclear"]
    if departing:
        text.append(f"differs: {departing} of {pluralize(len(report.rows), 'tensor')}, {first.key} the first")
    if unclear:
        text.append(f"cannot tell: {pluralize(len(unclear), 'tensor')}, {unclear[0].key} the first, far from the "
                    "golden file's, but rounding alone might come to that where the parameters before are not given; "
                    "give parameters and gradients of every step")
    return [*text, *(f"  {number}. {diagnosis}" for number, diagnosis in enumerate(report.diagnoses, 1)),
            *notes, *([left_out] if left_out else ())]


def _of_nothing(report):
    """Return the note that numbers of the reference mean nothing, in a list, if some do."""
    rows = [row for row in report.rows if row.verdict == NOTHING]
    if not rows:
        return []
    return [f"{pluralize(len(rows), 'tensor')}, {rows[0].key} the first, {'say' if len(rows) > 1 else 'says'} nothing: "
            "what the reference makes of the tensors before, as they are given, is not finite, or rounding alone can "
            "change all its digits"]


def group_of(row):
    """Return the step, the pass and the layer whose line a tensor is on; later steps have a line a pass."""
    step, kind, _ = row.parts
    if step is None:
        return "", "forward" if kind in ("input", "y", "cost") else "backward", kind
    if step == 0:
        return "0", "start", "all"
    if kind in ("cost", "parameter"):
        return str(step), kind, "all" if kind == "parameter" else ""
    layer = "output" if row.parts.layer == "cost" else row.parts.layer.partition(".")[0]
    return str(step), "forward" if kind == "forward" else "backward", layer if step == 1 else "all"


def _line(rows, first, every):
    """Return the cells of a line: the first tensor that departs by itself, or that nearest to its bound."""
    step, passed, layer = group_of(rows[0])
    row = next((row for row in rows if row.verdict == "departs"), max(rows, key=lambda row: row.share))
    found = {row.verdict for row in rows}
    verdict = next((each for each in ("departs", "follows", "unclear", "agrees") if each in found), NOTHING)
    if verdict == "agrees" and any(row.spread for row in rows):
        verdict = "agrees (another order of sums)"
    if first is not None and any(each is first for each in rows):
        verdict = "DEPARTS FIRST"
        row = first
    name = row.key if every else row.parts.name or row.parts.kind
    share = f"{row.share:.2g}" if row.share < 1e6 else "> 1e6"
    return (f"{step} {passed}".strip() if not every else "", layer if not every else "", name,
            f"{row.difference:.2e}", f"{row.relative:.1e}", f"{row.bound:.1e}", share,
            "" if np.isnan(row.drift) else f"{row.drift:.1e}", verdict)
