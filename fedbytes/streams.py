"""Named random streams: one seed opens independent generators, one for each purpose."""

import hashlib

import numpy as np


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """Return the generator that `seed` opens for `purpose`, and for `keys` within it.

    Streams of different purposes or keys are independent (`numpy.random.SeedSequence`), so
    drawing more from one never shifts another: two runs that differ in their codec alone see
    the same partition, clients, initial weights and batches.

    Args:
        seed: the run's seed, at least 0.
        purpose: what the randomness is for, such as `"partition"` or `"batches"`.
        keys: non-negative integers that name a stream within the purpose (round, client).

    Raises:
        ValueError: if the seed or a key is negative.
    """
    return np.random.default_rng(_sequence(seed, purpose, keys))


def stream_seed(seed: int, purpose: str, *keys: int) -> int:
    """Return a 63-bit integer seed from the same stream, for a library that takes only that."""
    high, low = _sequence(seed, purpose, keys).generate_state(2, np.uint32)
    return (int(high) << 32 | int(low)) >> 1


def _sequence(seed: int, purpose: str, keys: tuple[int, ...]) -> np.random.SeedSequence:
    if seed < 0 or any(key < 0 for key in keys):
        raise ValueError(f"seed and keys must be at least 0, got seed={seed}, keys={keys}")
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.SeedSequence(entropy=seed, spawn_key=(word, *keys))
