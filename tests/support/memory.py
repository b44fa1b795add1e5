"""The most memory that this process has held, measured without slowing it down."""

import ctypes
import gc
import re
import tracemalloc
from pathlib import Path

PROCESS = Path("/proc/self")


class Peak:
    """Counts from its making, or the last `reset`, on: what the kernel says of the process, or else `tracemalloc`.

    tracemalloc takes three times as long as the reading of a small file that it watches.
    """

    def __init__(self):
        try:
            (PROCESS / "clear_refs").write_text("5")               # its peak is what it holds now
        except OSError:
            tracemalloc.start()
        self.reset()

    def reset(self):
        """Forget what was held before, and free what nobody holds: freed or used again, it would hide new bytes."""
        gc.collect()
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        else:
            getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)       # glibc keeps holes between what is held
            (PROCESS / "clear_refs").write_text("5")
        self._before = self._most()

    def bytes(self):
        """Return how many more bytes than at the last reset were held at once."""
        return self._most() - self._before

    def _most(self):
        if tracemalloc.is_tracing():
            return tracemalloc.get_traced_memory()[1]
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", (PROCESS / "status").read_text())[1])
