"""Rate, distortion, speed and memory of a codec, from its actual bytes."""

import math
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fedbytes.compression.codec import CODECS, Codec, Floats, codec_names, codec_spec, make_codec
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.numerics.kernels import compiled_at_once
from fedbytes.compression.testing.sample_vectors import draw_vector
from fedbytes.streams import stream

_CLIENTS = 8
_CORRELATION = 0.5


def default_variants() -> list[dict[str, Any]]:
    """Return the specifications of every registered codec's examples."""
    return [
        codec_spec(make_codec(name, **fields))
        for name in codec_names()
        for fields in CODECS.get(name).examples
    ]


def compile_loops(names: Sequence[str] = ()) -> int:
    """Compile the loops of codecs' examples now, all codecs' by default.

    Numba keeps the machine code on disk, where later processes find it, if the package's folder or
    the user's cache can be written.

    Returns:
        how many configurations were encoded and decoded for it.
    """
    chosen = [spec for spec in default_variants() if not names or spec["name"] in names]
    layout = Layout({"a": (64, 48), "b": (96,)})
    vector = torch.from_numpy(stream(0, "compile").standard_normal(layout.numel, np.float32))
    with compiled_at_once():
        for spec in chosen:
            codec = make_codec(spec)
            shared = Shared(layout, round=1)
            codec.decode(codec.encode(vector, shared), shared)
    return len(chosen)


def measure(
    codec: Codec,
    numel: int = 1_000_000,
    distribution: str = "gauss",
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Measure one codec on random vectors.

    Args:
        codec: the codec.
        numel: coordinates.
        distribution: "gauss" or "t3" (Student-t, 3 degrees of freedom); also "sparse", "lora".
        repeats: timed repetitions, after an untimed one; the fastest counts.
        seed: seed of the vectors.

    Returns:
        bits_per_coordinate (all bytes of `encode`), nmse, gap_db above the Gaussian bound 2^-2R,
        mean_nmse (of the mean of 8 clients whose vectors correlate by 0.5), encode_mb_s and
        decode_mb_s (of float32, in processor seconds), encode_memory and decode_memory (peak
        allocation in bytes per coordinate, without the input, with the result).
    """
    x = torch.from_numpy(draw_vector(distribution, numel, np.random.default_rng(seed)))
    found = measure_vector(codec, x, Shared(_layout(numel), seed=seed), repeats)
    mean = measure_mean(codec, _CLIENTS, _CORRELATION, numel, distribution, seed)
    return found | {"mean_nmse": mean}


def measure_vector(
    codec: Codec, x: torch.Tensor, shared: Shared, repeats: int = 5
) -> dict[str, float]:
    """Measure one codec on a vector [numel]; return the results of `measure` without the mean."""
    numel = shared.layout.numel
    data = codec.encode(x, shared)
    y = codec.decode(data, shared)
    encode_seconds, decode_seconds = math.inf, math.inf
    for _ in range(repeats):
        start = time.process_time()
        data = codec.encode(x, shared)
        middle = time.process_time()
        y = codec.decode(data, shared)
        end = time.process_time()
        encode_seconds = min(encode_seconds, middle - start)
        decode_seconds = min(decode_seconds, end - middle)
    encode_memory, decode_memory = _memory(codec, x, data, shared)
    bits = 8 * len(data) / numel
    nmse = _nmse(y.numpy(), x.numpy())
    return {
        "bits_per_coordinate": bits,
        "nmse": nmse,
        "gap_db": 10 * math.log10(nmse) + 20 * bits * math.log10(2) if nmse > 0 else -math.inf,
        "encode_mb_s": 4e-6 * numel / encode_seconds,
        "decode_mb_s": 4e-6 * numel / decode_seconds,
        "encode_memory": encode_memory / numel,
        "decode_memory": decode_memory / numel,
    }


def measure_mean(
    codec: Codec,
    clients: int,
    correlation: float,
    numel: int,
    distribution: str = "gauss",
    seed: int = 0,
) -> float:
    """Return the NMSE of the mean of the vectors of `clients` senders in one round.

    Args:
        codec: codec of every sender.
        clients: number of senders.
        correlation: between the vectors of any two senders, in [0, 1].
        numel: coordinates.
        distribution: as in `measure`.
        seed: seed of the vectors.
    """
    return measure_round(codec, clients, correlation, numel, distribution, seed)["mean_nmse"]


def measure_round(
    codec: Codec,
    clients: int,
    correlation: float,
    numel: int,
    distribution: str = "gauss",
    seed: int = 0,
) -> dict[str, float]:
    """Return mean_nmse as `measure_mean` does, and bits_per_coordinate of one sender."""
    generator, layout = np.random.default_rng(seed + 1), _layout(numel)
    common = draw_vector(distribution, numel, generator)
    true, decoded, size = np.zeros(numel), np.zeros(numel), 0
    for client in range(clients):
        own = draw_vector(distribution, numel, generator)
        mix = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
        x = torch.from_numpy(mix.astype(np.float32))
        shared = Shared(layout, seed=seed, sender=client, place=client)
        true += x.numpy()
        data = codec.encode(x, shared)
        size += len(data)
        decoded += codec.decode(data, shared).numpy()
    bits = 8 * size / (clients * numel)
    return {"bits_per_coordinate": bits, "mean_nmse": _nmse(decoded, true)}


def _layout(numel: int) -> Layout:
    """Return the layout of one matrix, as close to square as `numel` allows."""
    rows = next((side for side in range(math.isqrt(numel), 0, -1) if numel % side == 0), 0)
    return Layout({"x": (rows, numel // max(rows, 1))})


def _memory(codec: Codec, x: torch.Tensor, data: bytes, shared: Shared) -> tuple[int, int]:
    """Return the peak memory of encoding and of decoding, in bytes."""
    peaks = []
    tracemalloc.start()
    try:
        for call in (lambda: codec.encode(x, shared), lambda: codec.decode(data, shared)):
            base = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            call()
            peaks.append(tracemalloc.get_traced_memory()[1] - base)
    finally:
        tracemalloc.stop()
    return peaks[0], peaks[1]


def _nmse(y: Floats | np.ndarray[Any, Any], x: Floats | np.ndarray[Any, Any]) -> float:
    wide = x.astype(np.float64)
    return float(((y - wide) ** 2).sum() / max(float((wide**2).sum()), 1e-300))
