"""Libraries that only some options need."""

from importlib import import_module

from ..errors import InputError


def library(module, package, option):
    """Return the module of an optional library; raise InputError if the package that the option needs is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        why = "is not installed" if module.startswith(error.name or "?") else f"cannot be imported ({error})"
        raise InputError(f"{option}: needs {package}, which {why}; python -m pip install {package.lower()}") from None
