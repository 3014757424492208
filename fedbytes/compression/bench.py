"""Rate, distortion and speed of a codec, from the bytes that it really writes."""

import math
import time
from typing import Any

import numpy as np
import torch

from .core import CODECS, Codec, Layout, Shared, codec_names, codec_spec, make_codec
from .vectors import draw

_CLIENTS = 8
_CORRELATION = 0.5


def default_variants() -> list[dict[str, Any]]:
    """Return the specs of every registered codec's examples; no list to edit."""
    return [
        codec_spec(make_codec(name, **fields))
        for name in codec_names()
        for fields in CODECS.get(name).examples
    ]


def measure(
    codec: Codec,
    numel: int = 1_000_000,
    distribution: str = "gauss",
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Measure one codec on random vectors.

    Args:
        codec: what to measure.
        numel: coordinates.
        distribution: "gauss" or "t3" (Student-t, 3 degrees of freedom); also "sparse", "lora".
        repeats: timed repetitions; the fastest counts. The first, untimed one compiles.
        seed: of the vectors.

    Returns:
        bits_per_coordinate (all bytes of `encode`), nmse, gap_db above the Gaussian bound 2^-2R,
        mean_nmse (of the mean of 8 clients whose vectors correlate by 0.5), encode_mb_s and
        decode_mb_s (of float32).
    """
    generator = np.random.default_rng(seed)
    layout = Layout({"x": (numel,)})
    x = torch.from_numpy(draw(distribution, numel, generator))
    shared = Shared(layout, seed=seed)
    data = codec.encode(x, shared)
    y = codec.decode(data, shared)
    encode_seconds, decode_seconds = math.inf, math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        data = codec.encode(x, shared)
        middle = time.perf_counter()
        y = codec.decode(data, shared)
        end = time.perf_counter()
        encode_seconds = min(encode_seconds, middle - start)
        decode_seconds = min(decode_seconds, end - middle)
    bits = 8 * len(data) / numel
    nmse = _nmse(y.numpy(), x.numpy())
    return {
        "bits_per_coordinate": bits,
        "nmse": nmse,
        "gap_db": 10 * math.log10(nmse) + 20 * bits * math.log10(2) if nmse > 0 else -math.inf,
        "mean_nmse": _mean_nmse(codec, layout, distribution, generator),
        "encode_mb_s": 4e-6 * numel / encode_seconds,
        "decode_mb_s": 4e-6 * numel / decode_seconds,
    }


def _mean_nmse(
    codec: Codec, layout: Layout, distribution: str, generator: np.random.Generator
) -> float:
    common = draw(distribution, layout.numel, generator)
    true, decoded = np.zeros(layout.numel), np.zeros(layout.numel)
    for client in range(_CLIENTS):
        own = draw(distribution, layout.numel, generator)
        mix = math.sqrt(_CORRELATION) * common + math.sqrt(1 - _CORRELATION) * own
        x = torch.from_numpy(mix.astype(np.float32))
        shared = Shared(layout, sender=client)
        true += x.numpy()
        decoded += codec.decode(codec.encode(x, shared), shared).numpy()
    return _nmse(decoded, true)


def _nmse(y: np.ndarray[Any, Any], x: np.ndarray[Any, Any]) -> float:
    wide = x.astype(np.float64)
    return float(((y - wide) ** 2).sum() / max(float((wide**2).sum()), 1e-300))
