"""Stochastic rounding to evenly spaced levels of each group's norm, entropy-coded together."""

import numpy as np

from fedbytes.arrays import Floats, Int64s
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.numerics.groups import scale_groups
from fedbytes.compression.quantisers.level_tokens import read_uniform
from fedbytes.compression.quantisers.uniform import quantise_uniform

_SMALLEST = np.float32(2.0**-100)  # norms below count as zero; the largest is near 1 by scaling


def pack_stochastic_levels(
    x: Floats, norms: Floats, levels: int, sizes: Int64s, noise: Floats
) -> tuple[Floats, bytes]:
    """Return the norms to send, and x [n > 0] as packed symbols q with x ≈ q * norm / levels.

    All groups share one frequency table. The mean of q over the noise is x * levels / norm,
    clipped to ±levels; groups with a norm below 2^-100 become zero.

    Args:
        x: float32 [n], of moderate magnitude.
        norms: float32 [groups], the magnitude of the highest level.
        levels: levels above zero.
        sizes: coordinates of each group.
        noise: float32 [n], uniform in [-0.5, 0.5).
    """
    norms = np.where(norms >= _SMALLEST, norms, np.float32(0))
    with np.errstate(divide="ignore"):
        factors = np.where(norms > 0, np.float32(levels) / norms, np.float32(0))
    scaled = scale_groups(x, factors, sizes, np.empty_like(x))
    np.clip(scaled, -levels, levels, out=scaled)
    return norms, quantise_uniform(scaled, 1.0, noise).pack()


def read_stochastic_levels(
    reader: Reader, norms: Floats, levels: int, sizes: Int64s, count: int
) -> Floats:
    """Return q * fl(norm / levels) of each coordinate that `pack_stochastic_levels` packed."""
    y = read_uniform(reader, count, 1.0)
    return scale_groups(y, norms / np.float32(levels), sizes, y)
