"""The table of a sweep by view and kind, of the outcomes or of the CSV files that they are in."""

import csv
import sys
from collections import Counter

from judging import VIEWS, Outcome


def table(found):
    """Return the lines of the table by view and kind."""
    columns = ("view", "kind", "shown", "detected", "first right", "named rightly", "unknown", "falsely named",
               "not in time", "hidden, accused", "seconds")
    lines = [columns]
    for view in VIEWS:
        for kind in ("listed", "unlisted", "right run", "pair, listed", "pair, unlisted"):
            rows = [each for each in found if each.view == view and kind == (
                "pair, " if each.family == "pair" else "") + each.kind]
            if not rows:
                continue
            shown = [each for each in rows if each.shown]
            count = Counter(each.verdict for each in shown)
            lines.append((view, kind, len(shown), len(shown) - count["undetected"],
                          sum(each.first_right for each in shown), count["right"], count["unknown"], count["false"],
                          count["timeout"], sum(each.verdict == "accused" for each in rows),
                          round(sum(each.seconds for each in rows))))
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(columns))]
    return ["  ".join(str(cell).ljust(width) if column < 2 else str(cell).rjust(width)
                      for column, (cell, width) in enumerate(zip(line, widths, strict=True))) for line in lines]


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
