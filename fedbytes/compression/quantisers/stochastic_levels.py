"""Stochastic rounding to evenly spaced levels of each group's norm, entropy-coded together."""

from abc import abstractmethod

import numpy as np

from fedbytes.arrays import Floats, Int64s
from fedbytes.compression.codec import Codec, Payload
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.groups import group_sizes, scale_groups
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
    # A smaller norm has no finite inverse: such a group is sent as zeros.
    norms = np.where(norms >= _SMALLEST, norms, np.float32(0))
    with np.errstate(divide="ignore"):
        factors = np.where(norms > 0, np.float32(levels) / norms, np.float32(0))
    # Rounding to nearest after adding the noise is rounding up or down at random.
    scaled = scale_groups(x, factors, sizes, np.empty_like(x))
    np.clip(scaled, -levels, levels, out=scaled)
    return norms, quantise_uniform(scaled, 1.0, noise).pack()


def read_stochastic_levels(
    reader: Reader, norms: Floats, levels: int, sizes: Int64s, count: int
) -> Floats:
    """Return q * fl(norm / levels) of each coordinate that `pack_stochastic_levels` packed."""
    y = read_uniform(reader, count, 1.0)
    return scale_groups(y, norms / np.float32(levels), sizes, y)


class StochasticLevelsCodec(Codec):
    """A codec that rounds at random to levels of each group's norm; a subclass gives the norms.

    Wire: exponent int16; norm float32 [groups]; token frequencies, coded tokens, raw bits. Nothing
    for no coordinates.
    """

    levels: int
    bucket: int

    @abstractmethod
    def _norms(self, x: Floats, sizes: Int64s) -> Floats:
        """Return the magnitude of the highest level of each group, float32 [groups]."""

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        sizes = group_sizes(shared.layout, self.bucket)
        scaled, exponent = split_exponent(x)
        noise = shared.generator(self.name).random(x.size, np.float32)
        noise -= np.float32(0.5)
        norms, symbols = pack_stochastic_levels(
            scaled, self._norms(scaled, sizes), self.levels, sizes, noise
        )
        return b"".join((pack_exponent(exponent), norms.astype("<f4").tobytes(), symbols))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel, reader = shared.layout.numel, Reader(data, self.name)
        if numel == 0:
            reader.end()
            return np.empty(0, np.float32)
        sizes = group_sizes(shared.layout, self.bucket)
        exponent = read_exponent(reader)
        norms = reader.floats(sizes.size, "norms")
        y = read_stochastic_levels(reader, norms, self.levels, sizes, numel)
        reader.end()
        return apply_exponent(y, exponent)
