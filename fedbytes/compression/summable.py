"""Codecs whose messages add up: integers on one grid that all senders of a round share.

Behind a linear map that the senders share (a rotation, a sketch, none) each value is rounded to an
integer of one grid. So a server that is given the sum of the integers alone, and how many senders
are in it, decodes the mean. That is what secure aggregation, homomorphic encryption and sketches
need.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from fedbytes.arrays import UInt64s
from fedbytes.compression.codec import Codec, Floats, unseal
from fedbytes.compression.layout import Shared

Integers: TypeAlias = UInt64s


@dataclass(frozen=True)
class Grid:
    """What integers stand for: `unit * (stride * integer - zero)`."""

    unit: float
    zero: int
    stride: int = 1

    def mean(self, total: Integers, senders: int) -> Floats:
        """Return the mean value float32 [m] of `senders` messages that add up to `total` [m]."""
        centred = total.astype(np.int64) * self.stride - senders * self.zero
        return (centred * (self.unit / senders)).astype(np.float32)


class Summable(Codec):
    """A codec whose messages of one round can be added as integers, which decode to their mean.

    Some are so only in some configurations, and `summable` says whether this is one.
    """

    to_add: ClassVar[str]
    """The fields that make it summable, for who is told that it is not."""

    @property
    def summable(self) -> bool:
        """Whether all senders have one grid."""
        return True

    @property
    @abstractmethod
    def grid_levels(self) -> int:
        """How many values an integer has: it is in [0, grid_levels)."""

    @property
    def recovers_linearly(self) -> bool:
        """Whether the mean of images is taken back to the mean of the vectors that each gives."""
        return True

    @property
    def keeps_lengths(self) -> bool:
        """Whether a longer vector has larger integers: not where a sign is all that is sent.

        A weight that is put before rounding is then lost.
        """
        return True

    @property
    def one_map(self) -> bool:
        """Whether the linear map is the same in every round of a run."""
        return False

    def coordinates(self, shared: Shared) -> int:
        """Return how many integers a message has."""
        return shared.layout.numel

    @abstractmethod
    def grid(self, shared: Shared) -> Grid:
        """Return the grid that all senders of a round have."""

    def with_range(self, top: float) -> "Summable | None":
        """Return the same codec with a grid from -top to top, where that is a field; or None."""
        return None

    def tell_range(self, x: Floats, shared: Shared) -> int:
        """Return the exponent, -127 to 127, of the power of two above all of x's image.

        That is what a sender tells where a round agrees on its range: it leaks the largest
        magnitude to a factor of two.
        """
        image = self.project(x, shared)
        return max(-127, min(127, math.frexp(float(np.abs(image).max(initial=0.0)))[1]))

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the image float32 [coordinates] of x [numel] under the common linear map."""
        return x

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector float32 [numel] that an image [coordinates] stands for."""
        return image

    @abstractmethod
    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Return an image's integers; what is beyond the grid is brought to its ends."""

    @abstractmethod
    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the integers in a payload without its digest.

        Raises:
            ValueError: if it is malformed.
        """

    def integers(
        self, x: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Return the integers [coordinates] of x [numel], each in [0, grid_levels).

        Args:
            x: finite.
            shared: the sender's.
            grid: what all agreed on.
            noise: for rounding; private where the sum is to hide what the others sent.
        """
        return self.round_image(self.project(x, shared), shared, grid, noise)

    def open_integers(self, data: bytes, shared: Shared) -> Integers:
        """Return the integers in what `encode` returned, without decoding it.

        Raises:
            ValueError: for bytes that this codec did not write under this `shared`.
        """
        return self.read(unseal(self, data, shared), shared)

    def mean(self, total: Integers, senders: int, shared: Shared, grid: Grid) -> Floats:
        """Return the mean of the senders' vectors float32 [numel] from their integers' sum."""
        return self.recover(grid.mean(total, senders), shared)


def sum_bits(levels: int, senders: int) -> int:
    """Return the bits of a sum of so many integers in [0, levels): the modulus that holds it."""
    return max(1, math.ceil(math.log2(senders * (levels - 1) + 1)))


def why_not_summable(codec: Codec) -> str | None:
    """Return why a codec's messages cannot be added, in a line with a remedy, or None."""
    if isinstance(codec, Summable):
        if codec.summable:
            return None
        return (
            f"codec {codec.name!r} adds up where all senders have one grid alone: set "
            f"{codec.to_add}"
        )
    kind = "is entropy-coded and does" if codec.name in _ENTROPY_CODED else "does"
    return f"codec {codec.name!r} {kind} not add: use {_nearest_summable(codec)}"


def as_summable(codec: Codec) -> Summable:
    """Return the codec as one that adds.

    Raises:
        ValueError: if it does not.
    """
    reason = why_not_summable(codec)
    if reason is not None or not isinstance(codec, Summable):
        raise ValueError(reason)
    return codec


def maps_vectors(codec: Codec) -> bool:
    """Return whether the integers of a codec that adds are not those of single coordinates."""
    return isinstance(codec, Summable) and type(codec).project is not Summable.project


_ENTROPY_CODED = ("ecsq", "tcq", "lora_klt")


def _nearest_summable(codec: Any) -> str:
    bits = getattr(codec, "bits", None)
    if isinstance(bits, int | float) and bits < 8:
        return f"thc with unit=… and bits={max(1, round(bits))}"
    return "fixed with clip=… and bits=16, or thc with unit=…"
