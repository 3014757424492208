"""What clients put into ciphertexts, and how they read the sum: integers, or floats."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Doubles, Floats, UInt64s
from fedbytes.federated.protocol.integer_sums import IntegerSums, metrics_to_sum, read_metrics
from fedbytes.privacy.homomorphic.lattice import Lattice
from fedbytes.privacy.homomorphic.slots import SlotPacking

_LIMB = 16


@dataclass(frozen=True)
class IntegerContents:
    """Integers of a codec that adds, several in a slot; examples and loss in 16 bits a slot.

    Attributes:
        sums: of the round.
        count: how many integers are encrypted.
    """

    sums: IntegerSums
    count: int

    @property
    def packing(self) -> SlotPacking:
        """How integers share slots."""
        return SlotPacking(self.sums.bits, self.sums.clients)

    @property
    def lattice(self) -> Lattice:
        """The scheme whose slots hold them."""
        return Lattice("bfv", self.packing.plain_bits)

    def fill(self, numbers: UInt64s, examples: int, loss: float) -> UInt64s:
        """Return a client's slots."""
        both = metrics_to_sum(examples, loss)
        limbs = both[:, None] >> np.arange(0, 64, _LIMB, dtype=np.uint64)
        low = (limbs & np.uint64((1 << _LIMB) - 1)).ravel()
        return np.concatenate([self.packing.pack(numbers), low])

    def read(self, slots: UInt64s) -> tuple[UInt64s, int, float]:
        """Return the sum's integers, the number of examples, and the mean loss."""
        used = -(-self.count // self.packing.in_slot)
        numbers = self.packing.unpack(slots[:used], self.count)
        limbs = slots[used : used + 2 * (64 // _LIMB)].reshape(2, -1)
        wide = (limbs << np.arange(0, 64, _LIMB, dtype=np.uint64)).sum(1, dtype=np.uint64)
        return numbers, *read_metrics(wide)


@dataclass(frozen=True)
class FloatContents:
    """Floats as they are, and behind them examples and loss over the largest power of two.

    Attributes:
        largest: that power's exponent.
        count: how many floats a message has.
    """

    largest: int
    count: int
    lattice = Lattice("ckks")

    def fill(self, vector: Floats, examples: int, loss: float) -> Doubles:
        """Return a client's slots."""
        share = examples / (1 << self.largest)
        return np.concatenate([vector.astype(np.float64), [share, loss * share]])

    def read(self, slots: Doubles) -> tuple[Doubles, int, float]:
        """Return the sum of the floats, the number of examples, and the mean loss."""
        share, loss = slots[self.count : self.count + 2].tolist()
        return slots[: self.count], round(share * (1 << self.largest)), loss / share
