"""Group items by what they share."""


def grouped(items, key):
    """Return a dict from each key(item), in the order in which they occur, to the list of the items that have it."""
    groups = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
