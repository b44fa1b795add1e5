"""Arrays of any library as NumPy arrays."""

import numpy as np


def as_array(value):
    """Return a NumPy array of a number, a sequence, or an array of any library that has DLPack or ``__array__``.

    A PyTorch tensor may require gradients, be on a GPU, or be a bfloat16 one, which becomes float32; a CuPy array is
    copied to the host.

    Raises
    ------
    TypeError
        If it is no array.
    """
    if hasattr(value, "detach"):                                    # PyTorch
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        return value.resolve_conj().numpy()
    if type(value).__module__.partition(".")[0] == "cupy":
        return value.get()
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"{type(value).__name__} is no array: it has neither __array__ nor __dlpack__")
    if array.dtype.kind == "V" or array.dtype.name == "bfloat16":   # ml_dtypes, as JAX and TensorFlow give it
        return array.astype(np.float32)
    return array
