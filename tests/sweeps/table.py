"""The table of a sweep by view and kind, of the outcomes or of the CSV files that they are in."""

import csv
import sys
from collections import Counter

from judging import VIEWS, Outcome

COLUMNS = ("view", "kind", "shown", "in time", "detected", "first right", "named rightly", "right among others",
           "unknown", "falsely named")


def table(found):
    """Return the lines of the table by view and kind, as docs/verify.md has it, and one of what is not in it."""
    lines = []
    for view in VIEWS:
        for kind in ("listed", "unlisted", "right run", "pair, listed", "pair, unlisted"):
            shown = [each for each in found if each.view == view and each.shown and kind == (
                "pair, " if each.family == "pair" else "") + each.kind]
            count = Counter(each.verdict for each in shown)
            in_time = len(shown) - count["timeout"]
            if shown:
                lines.append((view, kind, len(shown), in_time, in_time - count["undetected"],
                              sum(each.first_right for each in shown), *(count[each] for each in (
                                  "right", "among", "unknown", "false"))))
    hidden = [each for each in found if not each.shown]
    return [*(f"| {' | '.join(map(str, line))} |" for line in (COLUMNS, ["---"] * len(COLUMNS), *lines)), "",
            f"{sum(each.verdict == 'accused' for each in hidden)} of {len(hidden)} that are not shown are accused; "
            f"{sum(each.seconds for each in found) / max(len(found), 1):.1f} s a comparison"]


def line_of(outcome):
    first = "" if outcome.first_right else f" [first: {outcome.first}]"
    return (f"{outcome.verdict:10} {outcome.view:8} {outcome.implementation:5} {outcome.seconds:5.1f} s  "
            f"{outcome.planted}: {outcome.detail or outcome.named or outcome.said[:100]}{first}")


def read(paths):
    """Return the outcomes in CSV files; of the same comparison those of the last file."""
    found = {}
    for path in paths:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                row.update({name: row[name] == "True" for name in ("shown", "first_right")})
                row["seconds"] = float(row["seconds"])
                found[row["planted"], row["implementation"], row["view"]] = Outcome(**row)
    return list(found.values())


if __name__ == "__main__":
    print("\n".join(table(read(sys.argv[1:]))))
