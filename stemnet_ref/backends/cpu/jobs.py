"""How work on maps is divided into jobs: by bands of rows, and by channels where there are few bands."""

JOBS = 4            # into which work is divided where it can be, however many threads there are: sums stay the same

ELEMENTS = 1 << 18  # of a band, where a function does not say otherwise: they stay in the cache


def bands(x, elements=None):
    """Return (image, slice of the rows) of bands of an array (N, H, W, C).

    A band holds about `elements` elements; `ELEMENTS` of them without it, so many that threads seldom wait for Python's
    lock.
    """
    rows = max(1, (elements or ELEMENTS) // max(x[:1, :1].size, 1))
    return [(image, slice(start, min(start + rows, x.shape[1])))
            for image in range(len(x)) for start in range(0, x.shape[1], rows)]


def divide(arrays, bands):
    """Return jobs (parts, columns, bands): each is for some channels, counted through all arrays, and some bands.

    `columns` is the slice of the job's channels. `parts` lists the same channels array by array: (array, slice of its
    own channels, slice of the channels of all arrays). Where there are few bands, channels are divided, 16 or more a
    job.
    """
    runs = min(len(bands), JOBS)
    total = sum(each.shape[3] for each in arrays)
    size = max(16, -(-total * runs // JOBS // 16) * 16)
    parts, offset = [], 0
    for each in arrays:
        for start in range(0, each.shape[3], size):
            stop = min(start + size, each.shape[3])
            parts.append((each, slice(start, stop), slice(offset + start, offset + stop)))
        offset += each.shape[3]
    parts = [(parts, slice(0, total))] if runs == JOBS else [([part], part[2]) for part in parts]
    return [(*part, bands[len(bands) * run // runs:len(bands) * (run + 1) // runs])
            for part in parts for run in range(runs)]
