"""Labels as microscopes and their programs write them, and how they are read."""

from itertools import product

from stemnet_ref.data.discovery.names import read

HALF_HOUR = 1800 * 10 ** 6
CLOCKS = [f"{h:02d}-{m:02d}" for h in (9, 10, 11) for m in (0, 30)]


def labels(template, **values):
    """Return the labels of all combinations of values, the last one running fastest."""
    return [template.format(**dict(zip(values, each, strict=True))) for each in product(*values.values())]


def sequences(names):
    """Return which labels each sequence holds, in the order of their numbers."""
    found = {}
    for name, label in sorted(zip(read(names), names, strict=True), key=lambda pair: (pair[0].sequence,
                                                                                    pair[0].number)):
        found.setdefault(name.sequence, []).append((name.number, label))
    assert all(len({number for number, _ in those}) == len(those) for those in found.values())
    return {sequence: [label for _, label in those] for sequence, those in found.items()}


def assert_sequences(names, expected):
    """Assert that names, given in the order of the frames, are read as these sequences and in this order."""
    found = sequences(list(reversed(names)))
    assert sorted(found) == sorted(expected)
    assert [label for sequence in sorted(expected, key=lambda each: names.index(found[each][0]))
            for label in found[sequence]] == names
