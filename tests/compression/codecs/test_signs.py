"""Codecs of one bit a coordinate, by hand."""

import numpy as np
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.testing.sample_vectors import draw_vector


def _through(x: list[float], shapes: dict, name: str, **fields: object) -> list[float]:
    codec, shared = make_codec(name, **fields), Shared(Layout(shapes))
    return codec.decode(codec.encode(torch.tensor(x, dtype=torch.float32), shared), shared).tolist()


def test_onebit_sends_the_means_of_the_two_sides_of_each_tensor() -> None:
    x = [1, 2, 6, -4, -2, 0, -8, 0, 0]
    shapes = {"a": (5,), "b": (2, 2)}
    assert _through(x, shapes, "onebit") == [3, 3, 3, -3, -3, 0, -8, 0, 0]


def test_onebit_by_columns() -> None:
    x = [1, -2, 3, 3, -4, -5]
    shapes = {"a": (2, 3), "none": (2, 0), "b": (1, 0)}
    assert _through(x, shapes, "onebit", group="column") == [2, -3, 3, 2, -3, -5]


def test_signsgd_sends_signs_alone() -> None:
    assert _through([0.5, -2, 0, -1e-9], {"a": (4,)}, "signsgd") == [1, -1, 1, -1]


def test_two_levels_lose_no_more_than_one() -> None:
    x = draw_vector("gauss", 20_000, np.random.default_rng(0)) + np.float32(0.5)
    losses = [
        float(np.square(_through(x.tolist(), {"a": (20_000,)}, name) - x).sum())
        for name in ("onebit", "sign")
    ]
    assert losses[0] < 0.97 * losses[1]
