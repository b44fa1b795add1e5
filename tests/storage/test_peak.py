"""The measure of memory that the tests of damaged files rely on."""

import gc
import tracemalloc
from pathlib import Path

import memory
import pytest
from memory import Peak


@pytest.mark.parametrize("place", [memory.PROCESS, "nowhere"])
def test_the_peak_is_noticed_and_forgotten(monkeypatch, place):
    """As the kernel tells it, and without that."""
    monkeypatch.setattr(memory, "PROCESS", Path(place))
    peak = Peak()
    try:
        del [b"x" * 50_000_000][0]
        assert 40e6 < peak.bytes() < 80e6
        peak.reset()
        assert peak.bytes() < 20e6
    finally:
        tracemalloc.stop()


def test_what_is_garbage_before_does_not_count():
    """A cycle of objects, which only a collection frees."""
    gc.disable()
    try:
        cycle = [b"x" * 100_000_000]
        cycle.append(cycle)
        del cycle
        peak = Peak()
        gc.collect()
        del [b"x" * 50_000_000][0]
        assert 40e6 < peak.bytes() < 80e6
    finally:
        gc.enable()
        tracemalloc.stop()


def test_holes_of_the_heap_do_not_count():
    """What is freed between two things that are held stays with the process, and the next large array takes it."""
    del [b"x" * 30_000_000][0]                              # glibc maps what is larger apart, what is smaller no more
    parts = [b"x" * 25_000_000 for _ in range(4)]
    above = [bytes(600) for _ in range(2000)]
    del parts
    try:
        peak = Peak()
        del [b"x" * 50_000_000][0]
        assert 40e6 < peak.bytes() < 80e6
        assert above
    finally:
        tracemalloc.stop()
