"""Masks: numbers that a key stands for, uniform modulo a power of two."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import UInt64s

_NONCE = bytes(16)
"""Zero: each key masks one message."""


class MaskStream:
    """Numbers that only who has the key can tell from random: the key stream of ChaCha20.

    Args:
        key: 32 bytes that are used for this alone.
    """

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

        self._stream = Cipher(ChaCha20(key, _NONCE), mode=None).encryptor()

    def numbers(self, count: int, bits: int) -> UInt64s:
        """Return the next `count` numbers in [0, 2^bits), `bits` from 1 to 64.

        The stream is cut into words of 1, 2, 4 or 8 bytes, of which the low bits are kept: all
        residues are alike, since 2^bits divides the number of words.
        """
        width = next(width for width in (1, 2, 4, 8) if bits <= 8 * width)
        words = np.frombuffer(self._stream.update(bytes(count * width)), f"<u{width}")
        return reduce_modulo(words.astype(np.uint64), bits)


def reduce_modulo(numbers: UInt64s, bits: int) -> UInt64s:
    """Return numbers modulo 2^bits; sums and differences of uint64 wrap at a multiple of it."""
    reduced: UInt64s = numbers & np.uint64((1 << bits) - 1)
    return reduced


@dataclass(frozen=True)
class ModularVector:
    """A vector that masks are added to and taken out of.

    Attributes:
        numbers: modulo 2^bits.
        tail: modulo 2^64.
        bits: of the modulus.
    """

    numbers: UInt64s
    tail: UInt64s
    bits: int

    def plus(self, other: "ModularVector") -> "ModularVector":
        """Return the sum with another vector."""
        numbers = reduce_modulo(self.numbers + other.numbers, self.bits)
        return ModularVector(numbers, self.tail + other.tail, self.bits)

    def minus(self, other: "ModularVector") -> "ModularVector":
        """Return the difference to another vector."""
        numbers = reduce_modulo(self.numbers - other.numbers, self.bits)
        return ModularVector(numbers, self.tail - other.tail, self.bits)

    def mask(self, key: bytes) -> "ModularVector":
        """Return the mask of this length that a key stands for."""
        stream = MaskStream(key)
        numbers, tail = self.numbers.size, self.tail.size
        return ModularVector(
            stream.numbers(numbers, self.bits), stream.numbers(tail, 64), self.bits
        )
