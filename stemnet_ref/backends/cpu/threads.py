"""The CPU's side of the layers shares its work among threads.

NumPy lets go of Python's lock while it computes, so that threads of Python run beside each other, in matrix products
and in everything else. BLAS's own threads, which would help in products alone, are held to one meanwhile.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock, local

import numpy as np
from threadpoolctl import ThreadpoolController

JOBS = 4            # into which work is divided where it can be, however many threads there are: sums stay the same

_turn, _here = Lock(), local()


def share(work, jobs):
    """Return [work(job) for job in jobs], several of them computed at a time.

    What is computed must not depend on who does it when: each job writes to its own part of the arrays. One caller
    after the other has its turn; a job that shares work itself does it alone.
    """
    left, errors, results = deque(enumerate(jobs)), {**np.geterr(), "call": np.geterrcall()}, {}

    def work_along():
        _here.busy = True
        try:
            with np.errstate(**errors):                     # the caller's, which a thread does not inherit
                while left:
                    try:
                        number, job = left.popleft()
                    except IndexError:                      # another thread took the last one
                        return
                    results[number] = work(job)
        finally:
            _here.busy = False

    if getattr(_here, "busy", False):
        return [work(job) for _, job in left]
    with _turn, _blas().limit(limits=1, user_api="blas"):
        helpers = [_pool().submit(work_along) for _ in range(min(count(), len(left)) - 1)]
        try:
            work_along()
        finally:
            left.clear()                                    # after an error nobody begins another job
            for helper in helpers:
                if not helper.cancel():                     # those who have not begun are not waited for
                    helper.result()
    return [results[number] for number in range(len(results))]


def sum_parts(parts, like, out=None):
    """Return the sum of arrays of shape (C,), in their order, as the dtype of `like` (..., C); in `out` if given."""
    out = np.empty(like.shape[-1:], like.dtype) if out is None else out
    out[...] = 0
    for part in parts:
        out += part
    return out


def bands(x, elements=1 << 18):
    """Return (image, slice of the rows) of bands of an array (N, H, W, C).

    They stay in the cache, and are large enough that threads seldom wait for Python's lock.
    """
    rows = max(1, elements // max(x[:1, :1].size, 1))
    return [(image, slice(start, min(start + rows, x.shape[1])))
            for image in range(len(x)) for start in range(0, x.shape[1], rows)]


def divide(arrays, bands):
    """Return jobs (parts, columns, bands): some channels of several arrays that are seen side by side, and some bands.

    `columns` is the slice of all channels, and `parts` a list of what it is of every array: (array, slice of its
    channels, slice of all channels). Small images, which have few bands, are divided by channels, 16 of them or more.
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


@cache
def count():
    """Return how many threads work: as many as BLAS would take (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS, ...)."""
    return max((library["num_threads"] for library in _blas().info() if library["user_api"] == "blas"),
               default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@cache
def _blas():
    return ThreadpoolController()


@cache
def _pool():
    return ThreadPoolExecutor(count(), thread_name_prefix="layers")


count()                                                     # before anything holds BLAS to one
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)   # a child has none of the threads
