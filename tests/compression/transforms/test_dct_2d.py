"""Matrices in squares: what scipy computes of each, undone exactly, whatever the tensors are."""

import numpy as np
import pytest
import scipy.fft
import torch

from fedbytes.compression import Layout, Shared, codec_id, make_codec
from fedbytes.compression.numerics.dct import dct
from fedbytes.compression.testing.sample_vectors import draw_vector
from fedbytes.compression.transforms.dct.dct_2d import dct_squares, inverse_dct_squares

LAYOUTS = [
    {},
    {"none": (0, 3), "empty": (0,), "one": ()},
    {"matrix": (128, 192)},
    {"norm": (128,), "lora_a": (8, 384), "matrix": (64, 64), "odd": (15, 7), "bias": (5,)},
    {"kernel": (16, 4, 3, 3), "row": (1, 640), "column": (640, 1), "even": (6, 10)},
]


def _x(layout: Layout) -> np.ndarray:
    return draw_vector("gauss", layout.numel, np.random.default_rng(1))


@pytest.mark.parametrize("shapes", LAYOUTS, ids=str)
@pytest.mark.parametrize("side", [2, 16, 64])
def test_it_is_undone_and_keeps_the_norm(shapes: dict, side: int) -> None:
    layout = Layout(shapes)
    x = _x(layout)
    y = dct_squares(x, layout, side)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.isclose(np.linalg.norm(y), np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(inverse_dct_squares(y, layout, side), x, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("shape", "square"), [((128, 192), (64, 64)), ((8, 384), (8, 64))])
def test_each_square_is_scipys_in_two_dimensions(shape: tuple, square: tuple) -> None:
    layout = Layout({"matrix": shape})
    x, (height, width) = _x(layout).reshape(shape), square
    found = dct_squares(x.ravel(), layout, 64).reshape(-1, height, width)
    corners = [(i, j) for i in range(0, shape[0], height) for j in range(0, shape[1], width)]
    for (i, j), part in zip(corners, found, strict=True):
        theirs = scipy.fft.dctn(x[i : i + height, j : j + width].astype(float), norm="ortho")
        np.testing.assert_allclose(part, theirs, rtol=0, atol=2e-6)


def test_whole_squares_come_first_and_lines_last() -> None:
    layout = Layout({"bias": (5,), "small": (2, 8), "odd": (3, 4), "whole": (8, 8)})
    x, slices = _x(layout), layout.slices()
    y = dct_squares(x, layout, 8)
    alone = [
        dct_squares(x[slices[n]], Layout({n: layout.shapes[n]}), 8) for n in ("whole", "small")
    ]
    rest = dct(np.concatenate([x[slices["bias"]], x[slices["odd"]]]), 8)
    assert np.array_equal(y, np.concatenate([*alone, rest]))


def test_without_matrices_it_is_the_transform_of_lines() -> None:
    layout = Layout({"a": (40,), "b": (5, 5)})
    assert np.array_equal(dct_squares(_x(layout), layout, 16), dct(_x(layout), 16))


def _chain(square: bool, chunk: int, k: int) -> dict:
    transform = {"name": "dct", "chunk": 64} | ({"square": True} if square else {})
    topk = {"name": "chunked_topk", "chunk": chunk, "k": k, "bits": 16}
    return {"name": "chain", "transforms": [transform], "codec": topk}


def test_what_is_smooth_both_ways_becomes_fewer_coefficients() -> None:
    rows, columns = np.arange(128) / 20, np.arange(192) / 30
    wave = np.outer(np.sin(rows), np.cos(columns)).astype(np.float32).ravel()
    x, lost = torch.from_numpy(wave + 0.01 * _x(Layout({"m": (128, 192)}))), {}
    for square, chunk, k in ((False, 64, 1), (True, 4096, 64)):  # as many values
        codec, shared = make_codec(_chain(square, chunk, k)), Shared(Layout({"m": (128, 192)}))
        y = codec.decode(codec.encode(x, shared), shared)
        lost[square] = float((y - x).square().sum() / x.square().sum())
    assert lost[True] < 0.01 < 0.1 < lost[False]


def test_the_field_is_no_part_of_codecs_without_it() -> None:
    plain = _chain(False, 64, 8)
    said = {**plain, "transforms": [{"name": "dct", "chunk": 64, "square": False}]}
    assert codec_id(make_codec(said)) == codec_id(make_codec(plain))
    assert codec_id(make_codec(plain)) != codec_id(make_codec(_chain(True, 64, 8)))
