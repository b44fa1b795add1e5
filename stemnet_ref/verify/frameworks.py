"""The frameworks that the reference can be compared with: their twins, versions and tensors."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from ..program.extras import library
from .arrays import as_array

FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}
LAYOUTS = {"torch": "NCHW", "tensorflow": "NHWC", "jax": "NHWC"}        # layout of a twin's filters and maps


def load(framework, what="twin"):
    """Return a framework's module: its "twin", or its "layers".

    Raises
    ------
    InputError
        If the framework is not installed.
    """
    library(framework, framework, f"against {framework}")
    return import_module(f"{__package__}.twins.{framework}_{what}")


def describe(framework):
    """Return a framework's name and version."""
    for package in (framework, f"{framework}-cpu"):
        try:
            return f"{FRAMEWORKS[framework]} {version(package)}"
        except PackageNotFoundError:
            continue
    return f"{FRAMEWORKS[framework]} {import_module(framework).__version__}"


def arrays(tensors):
    """Return a framework's tensors as NumPy arrays."""
    return {name: as_array(tensor) for name, tensor in tensors.items()}
