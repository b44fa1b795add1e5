"""Damaged copies of a file, drawn from a seed."""

import numpy as np

EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def mutants(data, count, seed):
    """Yield `count` damaged copies of bytes: bits flipped, bytes lost, doubled, zeroed or set to extreme numbers."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 2, 8])):
            _damage(damaged, rng)
        yield bytes(damaged)


def _damage(data, rng):
    """Damage bytes, which are not empty, in one place; headers are at the beginning and at the end of a file."""
    size = len(data)
    at = int(rng.integers(size)) if rng.random() < 0.5 else int(rng.integers(min(size, 512)) * rng.choice([1, -1]))
    at %= size
    kind = rng.integers(6)
    length = int(rng.integers(1, 64))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[max(at, 1):]
    elif kind == 2:
        del data[at:at + length]
        data[:] = data or b"\0"
    elif kind == 3:
        data[at:at] = data[at:at + length]
    elif kind == 4:
        data[at:at + length] = bytes(len(data[at:at + length]))
    else:
        width = int(rng.choice([1, 2, 4]))
        number = int(rng.choice(EXTREMES)) & ((1 << 8 * width) - 1)
        data[at:at + width] = number.to_bytes(width, str(rng.choice(["little", "big"])))
