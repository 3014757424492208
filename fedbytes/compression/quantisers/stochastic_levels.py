"""Stochastic rounding to evenly spaced levels of each group's norm, entropy-coded together."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from fedbytes.arrays import Floats, Int64s
from fedbytes.compression.codec import Payload
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.groups import group_sizes, scale_groups
from fedbytes.compression.quantisers.common_grid import CommonScale
from fedbytes.compression.quantisers.level_tokens import read_uniform
from fedbytes.compression.quantisers.uniform import quantise_uniform
from fedbytes.compression.summable import Integers

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


class StochasticLevelsCodec(CommonScale):
    """A codec that rounds at random to levels of each group's norm; a subclass gives the norms.

    Wire: exponent int16; norm float32 [groups]; token frequencies, coded tokens, raw bits. Nothing
    for no coordinates. With a `scale`, which is then the norm of all groups of all senders, neither
    exponent nor norms.
    """

    to_add: ClassVar[str] = "its scale, as in uplink.scale=0.01"
    levels: int
    bucket: int

    @property
    def top(self) -> int:
        """The levels above zero."""
        return self.levels

    @abstractmethod
    def _norms(self, x: Floats, sizes: Int64s) -> Floats:
        """Return the magnitude of the highest level of each group, float32 [groups]."""

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the levels, counted from the lowest.

        Raises:
            ValueError: if the payload is malformed.
        """
        return (self._levels(body, shared) + np.float32(self.top)).astype(np.uint64)

    def _levels(self, body: memoryview, shared: Shared) -> Floats:
        """Return the levels of a payload with a scale, from -top to top."""
        reader, numel = Reader(body, self.name), shared.layout.numel
        levels = read_uniform(reader, numel, 1.0) if numel else np.empty(0, np.float32)
        reader.end()
        if numel and max(float(levels.max()), -float(levels.min())) > self.top:
            raise ValueError(f"{self.name} payload: a level beyond {self.top}")
        return levels

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        if self.scale is not None:
            integers = self.round_image(x, shared, self.grid(shared), shared.generator(self.name))
            levels = integers.astype(np.float32) - np.float32(self.top)
            return quantise_uniform(levels, 1.0, np.zeros_like(levels)).pack()
        sizes = group_sizes(shared.layout, self.bucket)
        scaled, exponent = split_exponent(x)
        noise = shared.generator(self.name).random(x.size, np.float32)
        noise -= np.float32(0.5)
        norms, symbols = pack_stochastic_levels(
            scaled, self._norms(scaled, sizes), self.levels, sizes, noise
        )
        return b"".join((pack_exponent(exponent), norms.astype("<f4").tobytes(), symbols))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        if self.scale is not None:
            return self.values_of(self._levels(data, shared), shared)
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
