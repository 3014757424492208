"""What the sparse codecs keep, and what they leave out."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, codec_names, make_codec
from fedbytes.compression.vectors import draw

SPARSE = [name for name in codec_names() if make_codec(name).sparse]
MILLION = 1_000_000


def _decode(spec: dict, x: np.ndarray, **shared: int) -> np.ndarray:
    codec, common = make_codec(spec), Shared(Layout({"x": (x.size,)}), **shared)
    return codec.decode(codec.encode(torch.from_numpy(x), common), common).numpy()


def test_the_sparse_codecs_say_so_and_others_do_not() -> None:
    assert {"topk", "stc", "threshold"} <= set(SPARSE)
    assert not make_codec("fp32").sparse
    assert not make_codec("ecsq").sparse


@pytest.mark.parametrize("name", SPARSE)
def test_zeros_are_never_sent_and_signs_are_kept(name: str) -> None:
    x = draw("sparse", 5000, np.random.default_rng(0))
    y = _decode({"name": name}, x)
    assert np.count_nonzero(y)
    assert np.array_equal(np.sign(y[y != 0]), np.sign(x[y != 0]))
    assert not _decode({"name": name}, np.zeros(300, np.float32)).any()


def test_stc_is_topk_at_one_magnitude() -> None:
    x = draw("t3", 5000, np.random.default_rng(0))
    y = _decode({"name": "stc", "density": 0.02}, x)
    assert np.array_equal(y, _decode({"name": "topk", "density": 0.02, "bits": 1}, x))
    assert np.unique(np.abs(y)).size == 2  # zero and the mean magnitude
    assert np.isclose(np.abs(y).max(), np.sort(np.abs(x))[-100:].mean())


def test_threshold_keeps_what_reaches_it() -> None:
    x = draw("gauss", 100_000, np.random.default_rng(0))
    y = _decode({"name": "threshold", "threshold": 2.0, "bits": 32}, x)
    cutoff = 2 * np.sqrt((x.astype(np.float64) ** 2).mean())
    assert np.abs(x[y != 0]).min() > cutoff * (1 - 2**-12)  # it is rounded to 12 bits
    assert np.abs(x[y == 0]).max() < cutoff * (1 + 2**-12)
    assert 0.04 < np.count_nonzero(y) / x.size < 0.05  # 2 (1 - Phi(2))


def test_threshold_keeps_the_largest_where_none_reaches_it() -> None:
    x = np.array([1, -1, 0.5, 1, 0], np.float32)
    y = _decode({"name": "threshold", "threshold": 9.0, "bits": 32}, x)
    assert y.tolist() == [1, -1, 0, 1, 0]
