"""Key pairs, what two of them agree on, and sealed envelopes: X25519, HKDF, ChaCha20-Poly1305.

Their package is imported on use: runs without secure sums do without it.
"""

import struct
from dataclasses import dataclass

import numpy as np

KEY_BYTES = 32
TAG_BYTES = 16
_NONCE = bytes(12)
"""Of envelopes, whose key is used once: it is bound to round, sender and receiver."""
_BINDING = struct.Struct("<QQQII")


@dataclass(frozen=True)
class Occasion:
    """What a derived key is bound to, so that none is ever used twice.

    Attributes:
        run: of this run alone: its seed.
        layout: the digest of what is summed.
        round: the round.
    """

    run: int
    layout: int
    round: int

    def binding(self, purpose: str, one: int, other: int) -> bytes:
        """Return the bytes that stand for a purpose between two clients, in this order."""
        return purpose.encode() + _BINDING.pack(self.run, self.layout, self.round, one, other)

    def of_pair(self, one: int, other: int) -> bytes:
        """Return the bytes that stand for the mask of a pair, the same for both."""
        return self.binding("mask", min(one, other), max(one, other))


@dataclass(frozen=True, repr=False)
class KeyPair:
    """An X25519 key pair. The secret never leaves its client but in shares."""

    secret: bytes

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "KeyPair":
        """Return a pair drawn from a client's own randomness."""
        return cls(rng.bytes(KEY_BYTES))

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        return X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()

    def agree(self, other: bytes, binding: bytes) -> bytes:
        """Return the 32 bytes that both owners derive from one's secret and the other's public key.

        Raises:
            ValueError: for a public key that gives no secret.
        """
        from cryptography.hazmat.primitives.asymmetric import x25519
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        private = x25519.X25519PrivateKey.from_private_bytes(self.secret)
        secret = private.exchange(x25519.X25519PublicKey.from_public_bytes(other))
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=binding).derive(secret)


def seal_envelope(key: bytes, content: bytes, binding: bytes) -> bytes:
    """Return the content encrypted and authenticated, 16 bytes longer; `key` is used once."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key).encrypt(_NONCE, content, binding)


def open_envelope(key: bytes, sealed: bytes, binding: bytes) -> bytes:
    """Return the content of an envelope.

    Raises:
        ValueError: if it was not sealed with this key for this occasion.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, sealed, binding)
    except InvalidTag:
        raise ValueError("an envelope of secret shares does not open: it was altered") from None
