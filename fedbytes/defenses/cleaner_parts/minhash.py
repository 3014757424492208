"""MinHash signatures of texts, and the near duplicates among them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from fedbytes.streams import stream

BAND = 4
"""Minima that must all agree for a pair to be compared."""
_PRIME = (1 << 31) - 1


def sign_texts(texts: Sequence[np.ndarray], shingle: int, minima: int) -> np.ndarray:
    """Return the least hash of each text's shingles, int64 [texts, minima].

    Hash functions are a x + b modulo a prime, the same in every run.

    Args:
        texts: tokens.
        shingle: tokens of a shingle; a shorter text is one shingle.
        minima: how many hash functions.
    """
    rng = stream(0, "minhash")
    scale = rng.integers(1, _PRIME, minima, dtype=np.int64)
    shift = rng.integers(0, _PRIME, minima, dtype=np.int64)
    signatures = np.full((len(texts), minima), _PRIME, dtype=np.int64)
    for place, text in enumerate(texts):
        hashes = _shingle_hashes(text, shingle)
        signatures[place] = ((scale * hashes[:, None] + shift) % _PRIME).min(0)
    return signatures


def near_duplicates(signatures: np.ndarray, threshold: float) -> np.ndarray:
    """Return the places of texts that are near duplicates of an earlier one, sorted int64.

    Args:
        signatures: of `sign_texts`.
        threshold: the least share of equal minima.
    """
    first = np.arange(len(signatures))

    def root(place: int) -> int:
        while first[place] != place:
            place = int(first[place])
        return place

    for start in range(0, signatures.shape[1], BAND):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for place, signature in enumerate(signatures):
            buckets[signature[start : start + BAND].tobytes()].append(place)
        for bucket in buckets.values():
            for place in bucket[1:]:
                one, other = root(bucket[0]), root(place)
                alike = np.mean(signatures[bucket[0]] == signatures[place])
                if one != other and alike >= threshold:
                    first[max(one, other)] = min(one, other)
    return np.array([p for p in range(len(first)) if root(p) != p], dtype=np.int64)


def _shingle_hashes(text: np.ndarray, shingle: int) -> np.ndarray:
    """Return a number below the prime for each of a text's shingles, int64."""
    tokens = text.astype(np.int64) + 1
    width = min(shingle, len(tokens))
    hashes = np.zeros(len(tokens) - width + 1, dtype=np.int64)
    for place in range(width):
        hashes = (hashes * 1_000_003 + tokens[place : place + len(hashes)]) % _PRIME
    return np.unique(hashes)
