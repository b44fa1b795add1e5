"""Distinguish a damaged picture from a fault of the program or of its installation, which no other file would mend."""

import struct
from contextlib import contextmanager

from ...errors import InputError, reason

DAMAGE = OSError, ValueError, OverflowError, struct.error      # what this package's own readers raise on a damaged file
REPLACE = "replace or remove this file"


@contextmanager
def decoding():
    """Turn an error that a library raises in the body into a ValueError: damaged files cause errors of every kind.

    Only calls of a library belong into the body, so that a fault of this package is not taken for a damaged file. An
    ImportError stays one, because it says that a library is missing, or is of a version that does not fit.
    """
    try:
        yield
    except (*DAMAGE, MemoryError, ImportError):
        raise
    except Exception as error:
        raise ValueError(reason(error) or type(error).__name__) from error


@contextmanager
def damage_of(name):
    """Turn every error by which a picture cannot be read into an InputError that begins with its name."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: the picture does not fit into the memory; cut it into smaller ones") from None
    except DAMAGE as error:
        why = reason(error) or type(error).__name__
        raise InputError(f"{name}: the picture cannot be read ({why}); {REPLACE}") from None
