"""Work that is shared among threads.

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
