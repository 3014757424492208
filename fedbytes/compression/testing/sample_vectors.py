"""Vectors for checking and measuring codecs, all drawn from a seed."""

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.layout import Layout


def sample_layout(numel: int) -> Layout:
    """Return a layout of `numel` coordinates: a vector, an empty tensor, two adapter matrices."""
    first = numel // 3
    rows = (numel - first) // 16
    sides = {"lora_A": (8, rows), "lora_B": (rows, 8), "rest": (numel - first - 16 * rows,)}
    return Layout({"bias": (first,), "none": (0, 4), **sides})


def draw_vector(distribution: str, numel: int, generator: np.random.Generator) -> Floats:
    """Return float32 [numel] of "gauss", "t3", "sparse" or "lora".

    "t3" is Student-t with 3 degrees of freedom; "sparse" is 1 % Gaussian and otherwise zero; "lora"
    has rows of 16 directions of halving energy, in two factors of different scale.

    Raises:
        ValueError: for another name.
    """
    if distribution == "gauss":
        return generator.standard_normal(numel, np.float32)
    if distribution == "t3":
        return generator.standard_t(3, numel).astype(np.float32)
    if distribution == "sparse":
        kept = generator.random(numel, np.float32) < 0.01
        return np.where(kept, generator.standard_normal(numel, np.float32), np.float32(0))
    if distribution == "lora":
        rows = -(-numel // 16)
        energies = 2.0 ** -np.arange(16.0)
        rotation = np.linalg.qr(generator.standard_normal((16, 16)))[0]
        factors = generator.standard_normal((rows, 16)) * np.sqrt(energies) @ rotation
        factors[rows // 2 :] *= 0.1
        return np.ravel(factors)[:numel].astype(np.float32)
    raise ValueError(f"unknown distribution {distribution!r} (known: gauss, lora, sparse, t3)")


def draw_lora_update(
    generator: np.random.Generator, rank: int = 4, width: int = 40, pairs: int = 3
) -> tuple[Layout, Floats, Floats]:
    """Return an adapter's layout, an update, and an earlier update with the same few directions.

    The A of all pairs share column directions, like layers that read the same hidden states. A
    matrix and a vector without a pair follow.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for pair in range(pairs):
        shapes[f"{pair}.lora_A.weight"] = (rank, width)
        shapes[f"{pair}.lora_B.weight"] = (width + 8 * pair, rank)
    layout = Layout(shapes | {"head.weight": (5, width), "head.bias": (5,)})
    stream = generator.standard_normal((2, width))
    vectors: list[list[Floats]] = [[], []]
    for name, shape in layout.shapes.items():
        directions = generator.standard_normal(shape[0] if "lora_A" in name else rank)
        for parts in vectors:
            rest = generator.standard_normal(shape)
            if "lora_A" in name:
                rest = 0.1 * rest + np.outer(directions, generator.standard_normal(2) @ stream)
            elif "lora_B" in name:
                rest = 0.1 * rest + np.outer(generator.standard_normal(shape[0]), directions)
            parts.append(np.ravel(rest).astype(np.float32))
    update, earlier = (np.concatenate(parts) for parts in vectors)
    return layout, update, earlier


def edge_cases(generator: np.random.Generator) -> dict[str, Floats]:
    """Return vectors that broke codecs before: empty, zero, constant, extreme, of odd length."""
    normal = generator.standard_normal(1000, np.float32)
    top = np.finfo(np.float32).max
    tiny = np.float32(1e-45)
    return {
        "normal": normal,
        "odd length": normal[:997],
        "empty": normal[:0],
        "one element": normal[:1],
        "two elements": normal[:2],
        "zeros": np.zeros(77, np.float32),
        "negative zeros": np.full(77, -0.0, np.float32),
        "one zero": np.zeros(1, np.float32),
        "all equal": np.full(301, 0.37, np.float32),
        "all equal, negative": np.full(301, -2.5e-4, np.float32),
        "signs": np.sign(normal),
        "+-1e6": normal[:513] * np.float32(1e6),
        "one large among small": np.append(normal[:300] * np.float32(1e-6), np.float32(1e6)),
        "subnormal": normal[:100] * np.float32(1e-40),
        "smallest": np.full(65, tiny),
        "subnormal and normal": np.append(normal[:64] * np.float32(1e-40), normal[:65]),
        "largest": np.full(130, top),
        "largest, both signs": np.copysign(top, normal[:130]),
        "whole range": np.append(normal[:10] * np.float32(1e-40), [top, -top, tiny, 0, 1]).astype(
            np.float32
        ),
        "ramp": np.linspace(-1, 1, 511, dtype=np.float32),
        "one spike": np.append(np.zeros(1023, np.float32), np.float32(-3)),
        "sparse": draw_vector("sparse", 5000, generator),
        "heavy tails": draw_vector("t3", 3001, generator),
    }
