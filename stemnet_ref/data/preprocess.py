"""Background subtraction (thesis section 6.4).

    background[i,j] = median over t of frames[t,i,j]         (eq. 3 of section 6.4)
    foreground[t,i,j] = frames[t,i,j] - background[i,j]
"""

import numpy as np


def background(frames):
    """Return the temporal median of a sequence, pixel by pixel.

    Parameters
    ----------
    frames : real ndarray of shape (T, H, W)
        All frames of one sequence, T at least 1.

    Returns
    -------
    float64 ndarray of shape (H, W), or float32 for float32 frames

    Raises
    ------
    ValueError
        If `frames` has no time axis or no frame.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or not len(frames):
        raise ValueError(f"background: frames has shape {frames.shape}; it needs (T, H, W) with T at least 1")
    return np.median(frames, axis=0)


def subtract_background(frames):
    """Return the frames less their temporal median, float of shape (T, H, W): what stands still becomes 0."""
    return np.asarray(frames) - background(frames)
