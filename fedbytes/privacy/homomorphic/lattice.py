"""Ciphertexts that add: BFV of integers and CKKS of floats, by SEAL, in TenSEAL's binding of it."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import tenseal.sealapi as seal

from fedbytes.arrays import Doubles, UInt64s
from fedbytes.privacy.homomorphic.seal_files import from_bytes, to_bytes

DEGREE = 4096
PRIMES = (54, 54)
"""Bits of the modulus: 108 of the 109 that 128-bit security allows at this degree."""
SEED_BYTES = 64
SCALE = 2.0**42
"""Of CKKS: a sum of 10 is off by about 1e-9."""
LARGEST_SUM = 2.0**10
"""Of CKKS: half of what the modulus of a sum holds beside the scale; one prime is SEAL's own."""
_WORDS = struct.Struct("<8Q")


@dataclass(frozen=True)
class Lattice:
    """A scheme with its parameters, which all parties know.

    Clients share one secret key and encrypt with that (symmetric encryption): half of a fresh
    ciphertext then is the seed of a uniform polynomial. Who adds needs no key at all.

    Attributes:
        scheme: `bfv` or `ckks`.
        plain_bits: of BFV's plain modulus, a prime: a slot holds integers below 2^(plain_bits - 1).
    """

    scheme: Literal["bfv", "ckks"]
    plain_bits: int = 33

    @property
    def slots(self) -> int:
        """Numbers that a ciphertext holds."""
        return DEGREE if self.scheme == "bfv" else DEGREE // 2

    @cached_property
    def context(self) -> Any:
        """The parameters, as who adds knows them."""
        return self._context(None)

    def _context(self, seed: bytes | None) -> Any:
        kind = seal.SCHEME_TYPE.BFV if self.scheme == "bfv" else seal.SCHEME_TYPE.CKKS
        parameters = seal.EncryptionParameters(kind)
        parameters.set_poly_modulus_degree(DEGREE)
        parameters.set_coeff_modulus(seal.CoeffModulus.Create(DEGREE, list(PRIMES)))
        if self.scheme == "bfv":
            parameters.set_plain_modulus(seal.PlainModulus.Batching(DEGREE, self.plain_bits))
        if seed is not None:
            words = list(_WORDS.unpack(seed))
            parameters.set_random_generator(seal.Blake2xbPRNGFactory(words))
        return seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)

    def secret_key(self, seed: bytes) -> Any:
        """Return the secret key that 64 secret bytes stand for."""
        return seal.KeyGenerator(self._context(seed)).secret_key()

    def encrypt(
        self, numbers: UInt64s | Doubles, key: Any, rng: np.random.Generator, senders: int = 1
    ) -> list[bytes]:
        """Return the ciphertexts of numbers [n], as many as it takes.

        Args:
            numbers: integers of a slot each, or floats.
            key: the secret key.
            rng: the sender's own.
            senders: how many such vectors are added: the sum of floats must not wrap.

        Raises:
            ValueError: for floats beyond a sender's part of what a sum may be.
        """
        limit = LARGEST_SUM / senders
        largest = float(np.abs(numbers).max(initial=0)) if self.scheme == "ckks" else 0.0
        if largest > limit:
            raise ValueError(
                f"ckks encrypts numbers up to {limit:g} of {senders} clients, got {largest:g}: "
                "lower the learning rate"
            )
        starts = range(0, max(1, numbers.size), self.slots)
        # A seed each: SEAL begins its generator anew for every ciphertext of one context.
        return [
            self._encrypt(numbers[start : start + self.slots], key, rng.bytes(SEED_BYTES))
            for start in starts
        ]

    def _encrypt(self, block: UInt64s | Doubles, key: Any, seed: bytes) -> bytes:
        context, plain = self._context(seed), seal.Plaintext()
        padded = np.zeros(self.slots, block.dtype)
        padded[: block.size] = block
        if self.scheme == "bfv":
            seal.BatchEncoder(context).encode(padded.tolist(), plain)
        else:
            seal.CKKSEncoder(context).encode(padded.tolist(), SCALE, plain)
        return to_bytes(seal.Encryptor(context, key).encrypt_symmetric(plain))

    def decrypt(self, ciphertexts: Sequence[bytes], key: Any) -> UInt64s | Doubles:
        """Return the numbers in ciphertexts, zeros behind them.

        Raises:
            ValueError: for ciphertexts that do not load, or whose noise has overrun them.
        """
        context, found = self.context, []
        decryptor = seal.Decryptor(context, key)
        for data in ciphertexts:
            loaded, plain = from_bytes(seal.Ciphertext(), context, data), seal.Plaintext()
            if self.scheme == "bfv" and decryptor.invariant_noise_budget(loaded) == 0:
                raise ValueError("a sum of ciphertexts has no room left for its noise")
            decryptor.decrypt(loaded, plain)
            if self.scheme == "bfv":
                found.append(np.array(seal.BatchEncoder(context).decode_uint64(plain), np.uint64))
            else:
                found.append(np.array(seal.CKKSEncoder(context).decode_double(plain)))
        return np.concatenate(found)


class CiphertextSum:
    """A sum of ciphertexts, by who has no key.

    Args:
        lattice: the scheme.
    """

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self._totals: list[Any] = []
        self._evaluator = seal.Evaluator(lattice.context)

    def add(self, ciphertexts: Sequence[bytes]) -> None:
        """Add what one client sent.

        Raises:
            ValueError: for another number of ciphertexts than before, or such as do not load.
        """
        context = self.lattice.context
        loaded = [from_bytes(seal.Ciphertext(), context, data) for data in ciphertexts]
        if not self._totals:
            self._totals = loaded
            return
        if len(loaded) != len(self._totals):
            raise ValueError(f"{len(loaded)} ciphertexts, others sent {len(self._totals)}")
        for total, one in zip(self._totals, loaded, strict=True):
            self._evaluator.add_inplace(total, one)

    def to_bytes(self) -> list[bytes]:
        """Return the sum's ciphertexts."""
        return [to_bytes(total) for total in self._totals]
