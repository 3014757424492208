"""How the deltas of a round become integers that add, and their sum a mean: known to both ends."""

from dataclasses import dataclass, replace

import numpy as np

from fedbytes.arrays import UInt64s
from fedbytes.compression.codec import Codec, Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.hadamard import inverse_rotate, rotate
from fedbytes.compression.summable import as_summable, sum_bits
from fedbytes.privacy import NoisySum

WIDEST_SUM = 32
"""Bits of a sum that messages can hold."""
LOSS_UNIT = 2.0**-16
"""What one stands for of the integer loss times examples, which is summed beside the vector."""
_ROTATION = "noisy sum"


def metrics_to_sum(examples: int, loss: float) -> UInt64s:
    """Return a client's number of examples, and its loss times that, as integers [2] that add."""
    both = np.array([examples, round(loss * examples / LOSS_UNIT)], np.int64)
    return both.astype(np.uint64)


def read_metrics(total: UInt64s) -> tuple[int, float]:
    """Return all examples, and the mean loss, from the sum [2] of clients' metrics."""
    examples, loss = total.astype(np.int64).tolist()
    return examples, loss * LOSS_UNIT / examples


@dataclass(frozen=True)
class IntegerSums:
    """The integers of one round's clients.

    Attributes:
        codec: the uplink's, which adds; not used where there is noise.
        clients: how many take part in the round.
        noisy: makes integers with noise in the codec's place, or None.
    """

    codec: Codec
    clients: int
    noisy: NoisySum | None = None

    @property
    def bits(self) -> int:
        """Bits of the modulus, 2^bits: it holds the sum of all clients' integers."""
        if self.noisy is not None:
            return self.noisy.bits
        return sum_bits(as_summable(self.codec).grid_levels, self.clients)

    def with_range(self, exponent: int) -> "IntegerSums":
        """Return the sums of integers whose grid ends at a power of two.

        Raises:
            ValueError: if the codec has no such grid.
        """
        codec = as_summable(self.codec).with_range(2.0**exponent)
        if codec is None:
            raise ValueError(f"codec {self.codec.name!r} has no range to agree on")
        return replace(self, codec=codec)

    @property
    def own_bits(self) -> int:
        """Bits of one client's integer, which is not masked."""
        return sum_bits(as_summable(self.codec).grid_levels, 1)

    def coordinates(self, shared: Shared) -> int:
        """Return how many integers a message has."""
        if self.noisy is not None:
            return shared.layout.numel + self.noisy.beside
        return as_summable(self.codec).coordinates(shared)

    def open_message(self, data: bytes, shared: Shared) -> UInt64s:
        """Return the integers in a message of the codec."""
        return as_summable(self.codec).open_integers(data, shared)

    def with_noise(self, x: Floats, shared: Shared, rng: np.random.Generator) -> UInt64s:
        """Return the integers with noise of a message [numel]; `rng` is the client's own."""
        assert self.noisy is not None
        scaled, exponent = split_exponent(self.noisy.prepared(x))
        turned = rotate(scaled, shared.common_generator(_ROTATION))
        return self.noisy.integers(apply_exponent(turned, exponent), rng)

    def image(self, total: UInt64s, senders: int, shared: Shared) -> Floats:
        """Return the mean of some senders' messages, as they were mapped, from their sum."""
        if self.noisy is not None:
            return self.noisy.mean(total, senders)
        return as_summable(self.codec).grid(shared).mean(total, senders)

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector [numel] that an image stands for."""
        if self.noisy is None:
            return as_summable(self.codec).recover(image, shared)
        return self._turned_back(image, shared)[: shared.layout.numel]

    def count(self, image: Floats, shared: Shared) -> float | None:
        """Return what a sum with noise says beside the vector; None where it says nothing."""
        if self.noisy is None or not self.noisy.beside:
            return None
        return self.noisy.count(float(self._turned_back(image, shared)[-1]))

    def with_clip(self, clip: float) -> "IntegerSums":
        """Return the sums with the clip that the server has told for the round.

        Raises:
            ValueError: if it tells none.
        """
        assert self.noisy is not None
        return replace(self, noisy=self.noisy.with_clip(clip))

    @property
    def told_clip(self) -> float | None:
        """The clip that the server tells the round's clients; None where it tells none."""
        return None if self.noisy is None else self.noisy.told_clip

    def _turned_back(self, image: Floats, shared: Shared) -> Floats:
        scaled, exponent = split_exponent(image)
        turned = inverse_rotate(scaled, shared.common_generator(_ROTATION))
        return apply_exponent(turned, exponent)
