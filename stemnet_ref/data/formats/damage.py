"""Tell a damaged picture from a fault of the program or of its installation, which no other file would mend."""

import struct
from contextlib import contextmanager

from ...errors import InputError, reason

DAMAGE = OSError, ValueError, OverflowError, struct.error      # what this package's own readers raise of a damaged file
REPLACE = "replace or remove this file"


@contextmanager
def decoding():
    """Turn what a library raises within the body into a ValueError: of damaged files, errors of every kind.

    Only a library's calls belong into the body, so that no fault of this package is taken for one of the file. What is
    not installed, or does not fit what is, stays an ImportError.
    """
    try:
        yield
    except (*DAMAGE, MemoryError, ImportError):
        raise
    except Exception as error:
        raise ValueError(reason(error) or type(error).__name__) from error


@contextmanager
def damage_of(name):
    """Turn every way in which a picture cannot be read into an InputError that begins with its name."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: the picture does not fit into the memory; cut it into smaller ones") from None
    except DAMAGE as error:
        why = reason(error) or type(error).__name__
        raise InputError(f"{name}: the picture cannot be read ({why}); {REPLACE}") from None
