"""What a distributed mechanism makes of a client's vector: integers with noise, which add up."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import UInt64s

RealVector = npt.NDArray[np.float32]


class NoisySum(ABC):
    """How the clients of one round turn vectors into integers with noise that add modulo 2^bits.

    The round rotates what `prepared` makes of each message by a rotation that all of its clients
    share before it is given to `integers`, and rotates back what `mean` returns: norms stay, and
    no number stands out. It masks the integers, so that the server learns their sum alone.

    Attributes:
        bits: of the modulus, 1 to 32. A sum must not wrap, but for a share that is stated.
        beside: how many numbers `prepared` puts behind a message, 0 or 1.
    """

    bits: int
    beside: int = 0

    @property
    def told_clip(self) -> float | None:
        """The clip that the server tells the round's clients; None where it is known in advance."""
        return None

    def with_clip(self, clip: float) -> "NoisySum":
        """Return the sum with the clip that the server has told.

        Raises:
            ValueError: if it is known in advance.
        """
        raise ValueError(f"{type(self).__name__} is told no clip")

    def prepared(self, message: RealVector) -> RealVector:
        """Return the numbers of a client's message that are rotated [numel + beside]."""
        return message

    def count(self, last: float) -> float:
        """Return what the mean [numel + beside], rotated back, says by its last number."""
        return last

    @abstractmethod
    def integers(self, rotated: RealVector, rng: np.random.Generator) -> UInt64s:
        """Return the integers [numel] in [0, 2^bits) of a client's message, with its noise.

        Args:
            rotated: the client's whole message [numel], rotated; it must not change.
            rng: the client's own of this round. The server cannot draw from it.
        """

    @abstractmethod
    def mean(self, total: UInt64s, senders: int) -> RealVector:
        """Return the rotated mean [numel] that the sum modulo 2^bits of some senders stands for.

        Args:
            total: the sum [numel], in [0, 2^bits).
            senders: how many are in it, which is fewer than expected where clients dropped out.
        """
