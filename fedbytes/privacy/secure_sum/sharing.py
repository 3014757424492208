"""Shamir's secret sharing: any `threshold` of the shares give the secret, fewer give nothing."""

from collections.abc import Mapping, Sequence

import numpy as np

PRIME = (1 << 256) + 297
"""The least prime above 2^256, so that every secret of 32 bytes is a number of the field."""
SHARE_BYTES = 33
_DRAWN = 48
"""Random bytes of a coefficient: its distance from uniform is below 2^-127."""


def split_secret(
    secret: bytes, holders: Sequence[int], threshold: int, rng: np.random.Generator
) -> dict[int, bytes]:
    """Return a share of 33 bytes for each holder: a polynomial whose value at 0 is the secret.

    Args:
        secret: 32 bytes.
        holders: their numbers, from 0.
        threshold: how many shares are needed.
        rng: the owner's own.
    """
    drawn = (int.from_bytes(rng.bytes(_DRAWN), "little") for _ in range(threshold - 1))
    polynomial = [int.from_bytes(secret, "little"), *(number % PRIME for number in drawn)]
    shares = {}
    for holder in holders:
        value = 0
        for coefficient in reversed(polynomial):
            value = (value * (holder + 1) + coefficient) % PRIME
        shares[holder] = value.to_bytes(SHARE_BYTES, "little")
    return shares


def join_shares(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Return the secret of 32 bytes from `threshold` shares by holder; further ones are not used.

    Raises:
        ValueError: for too few shares, or such as no secret has.
    """
    if len(shares) < threshold:
        raise ValueError(f"{len(shares)} shares of a secret, of which {threshold} are needed")
    used = sorted(shares)[:threshold]
    secret = 0
    for holder in used:
        above = below = 1
        for other in used:
            if other != holder:
                above = above * (other + 1) % PRIME
                below = below * (other - holder) % PRIME
        value = int.from_bytes(shares[holder], "little")
        secret += value * above * pow(below, -1, PRIME)
    secret %= PRIME
    if secret >= 1 << 256:
        raise ValueError("shares of a secret give none: one of them was altered")
    return secret.to_bytes(32, "little")
