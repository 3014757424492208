"""Clipping to a norm, and Gaussian noise."""

from typing import Any

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]


def clip_to_norm(message: Float32s, norm: float) -> Float32s:
    """Return a vector shortened to an L2 norm; one that is no longer stays as it is, bit for bit.

    Rounding never leaves it longer: [3, 4] at norm 1 becomes [0.6, 0.8].
    """
    clipped = message
    while (length := float(np.linalg.norm(clipped.astype(np.float64)))) > norm:
        clipped = (clipped * min(norm / length, 1 - 2**-23)).astype(np.float32)
    return clipped


def gaussian_noise(numel: int, deviation: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Return independent noise `[numel]`, float64, of a standard deviation."""
    return rng.normal(0.0, deviation, numel)
