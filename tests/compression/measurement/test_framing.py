"""What a message over 240 tensors costs beside its symbols: frame, digest, fields and tables."""

from math import lgamma, log

import numpy as np
import pytest
import torch

from fedbytes.compression import Frame, Layout, Shared, codec_id, make_codec
from fedbytes.compression.testing.sample_vectors import draw_vector

SHARED = Shared(
    Layout(
        {
            f"layers.{i}.{name}": shape
            for i in range(60)
            for name, shape in {
                "q.lora_A": (8, 192),
                "q.lora_B": (192, 8),
                "v.lora_A": (8, 192),
                "v.lora_B": (64, 8),
            }.items()
        }
    )
)
NUMEL = SHARED.layout.numel


def _message(spec: dict, x: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the bytes of the whole message, and what is decoded from it."""
    codec = make_codec(spec)
    data = codec.encode(torch.from_numpy(x), SHARED)
    frame = Frame(1, codec_id(codec), SHARED.layout.digest, 5, 2, data)
    return len(frame.pack()), codec.decode(data, SHARED).numpy()


def _entropy_bytes(symbols: np.ndarray) -> float:
    counts = np.unique(symbols, return_counts=True)[1]
    return float(-(counts * np.log2(counts / symbols.size)).sum() / 8)


@pytest.mark.parametrize(("bits", "limit"), [(0.5, 108), (1.0, 96), (2.0, 112), (3.0, 128)])
def test_ecsq_over_240_tensors(bits: float, limit: int) -> None:
    assert len(SHARED.layout.names) == 240
    size, y = _message(
        {"name": "ecsq", "bits": bits}, draw_vector("gauss", NUMEL, np.random.default_rng(0))
    )
    framing = size - _entropy_bytes(y)  # decoded values stand for symbols one to one
    assert framing <= limit


@pytest.mark.parametrize("density", [0.01, 0.1])
def test_topk_over_240_tensors(density: float) -> None:
    x = draw_vector("gauss", NUMEL, np.random.default_rng(0))
    size, y = _message({"name": "topk", "density": density, "bits": 4}, x)
    k = int(np.count_nonzero(y))
    places = (lgamma(NUMEL + 1) - lgamma(k + 1) - lgamma(NUMEL - k + 1)) / log(2)
    framing = size - (places + 4 * k) / 8
    assert framing <= 44 + 0.03 / 8 * k + 64  # frame and digest, 0.03 bit an index, fields


def test_int_over_240_tensors() -> None:
    size, _ = _message({"name": "int"}, draw_vector("gauss", NUMEL, np.random.default_rng(0)))
    assert size == 40 + 4 + NUMEL + 4 * -(-NUMEL // 256)
