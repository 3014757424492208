"""Overhead of codes above their bounds: entropy coder, sparse indices, framing of messages."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from fedbytes.arrays import Doubles, Int32s, Int64s
from fedbytes.compression.codec import codec_id, make_codec
from fedbytes.compression.coding.frequency_tables import normalise_counts, pack_freqs
from fedbytes.compression.coding.index_sets import pack_indices
from fedbytes.compression.coding.integers import tokens_of, zigzag
from fedbytes.compression.coding.rans import encode_symbols
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Layout, Shared

_STEPS = (2.4, 1.08, 0.2583)  # of a standard Gaussian, for about 1, 2 and 4 bits per symbol
_DENSITIES = (0.01, 0.05, 0.1)
_RATES = (0.5, 1.0, 2.0, 3.0)
_SHAPES = {"q.lora_A": (8, 192), "q.lora_B": (192, 8), "v.lora_A": (8, 192), "v.lora_B": (64, 8)}
_LAYERS = 60


def overheads(numel: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """Yield rows of measure, setting, excess above the bound, and unit.

    Args:
        numel: symbols, and coordinates of the vectors whose largest are kept. Messages have the
            tensors of LoRA of rank 8 on 60 layers: 240, and 245,760 coordinates.
    """
    x = np.random.default_rng(0).standard_normal(numel)
    for step in _STEPS:
        above, entropy = _coder(np.rint(x / step).astype(np.int32))
        yield _row("entropy coder", f"entropy {entropy:.2f} bit", above, "bit per symbol")
    for density in _DENSITIES:
        above = _indices(np.abs(x), max(1, round(density * numel)))
        yield _row("top-k indices, above H(k/n)", f"density {density:g}", above, "bit per index")
    for bits in _RATES:
        yield _row("framing of 240 tensors", f"ecsq {bits:g} bit", _framing(bits), "bytes")


def _row(measure: str, setting: str, value: float, unit: str) -> dict[str, Any]:
    return {"measure": measure, "setting": setting, "above": value, "unit": unit}


def _coder(levels: Int32s) -> tuple[float, float]:
    """Return bits per symbol above the entropy, frequencies included, and the entropy."""
    tokens = tokens_of(zigzag(levels))
    counts = np.bincount(tokens)
    freqs = normalise_counts(counts)
    size = len(encode_symbols(tokens, freqs)) + len(pack_freqs(freqs))
    entropy = _entropy(counts)
    return 8 * size / tokens.size - entropy, entropy


def _indices(magnitudes: Doubles, k: int) -> float:
    kept = np.sort(np.argpartition(magnitudes, magnitudes.size - k)[-k:])
    share = k / magnitudes.size
    bound = -math.log2(share) - (1 / share - 1) * math.log2(1 - share)
    return 8 * len(pack_indices(kept, magnitudes.size)) / k - bound


def _framing(bits: float) -> float:
    """Return the bytes of a message above its symbols' entropy."""
    shapes = {f"{i}.{name}": shape for i in range(_LAYERS) for name, shape in _SHAPES.items()}
    codec, shared = make_codec("ecsq", bits=bits), Shared(Layout(shapes))
    x = np.random.default_rng(0).standard_normal(shared.layout.numel, np.float32)
    data = codec.encode(torch.from_numpy(x), shared)
    message = Frame(1, codec_id(codec), shared.layout.digest, 5, 2, data).pack()
    # Decoded values stand for symbols one to one.
    _, counts = np.unique(codec.decode(data, shared).numpy(), return_counts=True)
    return len(message) - _entropy(counts) * x.size / 8


def _entropy(counts: Int64s) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
