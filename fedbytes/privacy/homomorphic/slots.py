"""Several small integers in one slot of a ciphertext, with room for their sums."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import UInt64s

_LEAST, _WIDEST = 33, 44


@dataclass(frozen=True)
class SlotPacking:
    """How integers whose sums take `bits` bits share slots.

    Attributes:
        bits: of a sum of all clients' integers.
        clients: how many are added: their noise takes the room that packed integers leave.
    """

    bits: int
    clients: int

    @property
    def in_slot(self) -> int:
        """Integers in a slot.

        A ciphertext has 54 bits. Noise of one and rounding take some 8, of n that add as many as
        the root of n more: packed integers may have 44 less half the bits of n.
        """
        return max(1, (_WIDEST - self.clients.bit_length() // 2 - 1) // self.bits)

    @property
    def plain_bits(self) -> int:
        """Bits of the least plain modulus that holds a slot: a prime above 2^(bits of a slot)."""
        return max(_LEAST, self.in_slot * self.bits + 1)

    def pack(self, integers: UInt64s) -> UInt64s:
        """Return slots, each with `in_slot` integers, the first in the lowest bits."""
        count = -(-integers.size // self.in_slot)
        padded = np.zeros(count * self.in_slot, np.uint64)
        padded[: integers.size] = integers
        places = np.arange(self.in_slot, dtype=np.uint64) * np.uint64(self.bits)
        slots: UInt64s = (padded.reshape(count, self.in_slot) << places).sum(1, dtype=np.uint64)
        return slots

    def unpack(self, slots: UInt64s, count: int) -> UInt64s:
        """Return the first `count` integers in slots, which may be sums."""
        places = np.arange(self.in_slot, dtype=np.uint64) * np.uint64(self.bits)
        mask = np.uint64((1 << self.bits) - 1)
        found: UInt64s = ((slots[:, None] >> places) & mask).ravel()[:count]
        return found
