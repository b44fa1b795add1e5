"""Distinguish a damaged picture from a fault of the program or of its installation, which no other file would mend."""

import struct
from contextlib import contextmanager
from traceback import walk_tb

from ...errors import InputError, reason

DAMAGE = OSError, ValueError, OverflowError, struct.error      # what this package's own readers raise on a damaged file
LIBRARIES = "tifffile", "PIL"           # in which damaged files cause errors of every kind
REPLACE = "replace or remove this file"


@contextmanager
def damage_of(name):
    """Turn every error by which a picture cannot be read into an InputError that begins with its name.

    An ImportError stays one, because it says that a library is missing, or is of a version that does not fit.
    """
    try:
        yield
    except (InputError, ImportError):
        raise
    except MemoryError:
        raise InputError(f"{name}: the picture does not fit into the memory; cut it into smaller ones") from None
    except Exception as error:
        modules = {frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in walk_tb(error.__traceback__)}
        if not isinstance(error, DAMAGE) and modules.isdisjoint(LIBRARIES):
            raise                                               # a fault of this package
        why = reason(error) or type(error).__name__
        raise InputError(f"{name}: the picture cannot be read ({why}); {REPLACE}") from None
