"""The contract of a summable codec: integers in their range, whose sum decodes to the mean."""

import numpy as np
import torch

from fedbytes.compression.codec import Codec, Floats
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.summable import Integers, Summable, as_summable, sum_bits
from fedbytes.compression.testing.sample_vectors import draw_vector

_SENDERS = (1, 2, 3, 7, 20)
_LENGTHS = (300, 5000)
_EXACT = 1e-6


def check_sums(codec: Codec, seed: int) -> str:
    """Add what so many senders send, at usual and extreme magnitudes; compare with decoding each.

    Raises:
        ValueError: if an integer is out of range, a sum wraps, or the mean is another.
    """
    worst, summable = 0.0, as_summable(codec)
    for numel in _LENGTHS:
        for senders in _SENDERS:
            for scale in (1e-3, 1.0, 1e30):
                worst = max(worst, _gap(summable, numel, senders, scale, seed))
    return f"the mean of a sum is that of the decoded to {worst:.1e} of its largest coordinate"


def _gap(codec: Summable, numel: int, senders: int, scale: float, seed: int) -> float:
    """Return how far the mean from the sum is from the mean of the decoded, relative to that."""
    layout, generator = Layout({"x": (numel,)}), np.random.default_rng(seed)
    grid = codec.grid(Shared(layout, seed=seed, round=1))
    modulus = np.uint64((1 << sum_bits(codec.grid_levels, senders)) - 1)
    found, images, vectors = [], [], []
    for sender in range(senders):
        shared = Shared(layout, seed=seed, round=1, sender=sender)
        x = (draw_vector("t3", numel, generator) * np.float64(scale)).clip(-1e37, 1e37)
        data = codec.encode(torch.from_numpy(x.astype(np.float32)), shared)
        found.append(codec.open_integers(data, shared))
        images.append(grid.mean(found[-1], 1))
        vectors.append(codec.decode(data, shared).numpy())
        if found[-1].shape != (codec.coordinates(shared),) or found[-1].max() >= codec.grid_levels:
            raise ValueError(
                f"{found[-1].shape} integers to {found[-1].max()} of {codec.grid_levels}"
            )
    total: Integers = np.add.reduce(found, axis=0)
    if not np.array_equal(total, total & modulus):
        raise ValueError(f"the sum of {senders} senders at scale {scale:g} wraps")
    gap = _off(grid.mean(total, senders), images)
    if codec.recovers_linearly:
        gap = max(gap, _off(codec.mean(total, senders, shared, grid), vectors))
    if gap > _EXACT:
        raise ValueError(f"{senders} senders at scale {scale:g}: the mean is off by {gap:.1e}")
    return gap


def _off(mean: Floats, each: list[Floats]) -> float:
    """Return the largest difference of a mean from that of `each`, by the largest coordinate."""
    plain = np.mean(each, axis=0, dtype=np.float64)
    top = max(float(np.abs(vector).max()) for vector in each)
    return float(np.abs(mean - plain).max()) / max(top, 1e-30)
