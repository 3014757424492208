"""What the sparse codecs keep, and what they leave out."""

from math import comb, log2

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codecs.chunked_topk.subset_ranking import (
    rank_bits,
    rank_sets,
    unrank_sets,
)
from fedbytes.compression.codecs.chunked_topk.top_k_per_chunk import Chunks
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.sparsifiers.random_subset import random_subset
from fedbytes.compression.testing.sample_vectors import draw_vector, edge_cases

SPARSE = ["topk", "stc", "threshold", "chunked_topk", "randk", "dgc"]
MILLION = 1_000_000


def _decode(spec: dict, x: np.ndarray, **shared: int) -> np.ndarray:
    codec, common = make_codec(spec), Shared(Layout({"x": (x.size,)}), **shared)
    return codec.decode(codec.encode(torch.from_numpy(x), common), common).numpy()


def test_the_sparse_codecs_say_so_and_others_do_not() -> None:
    assert all(make_codec(name).sparse for name in SPARSE)
    assert not make_codec("fp32").sparse
    assert not make_codec("ecsq").sparse


@pytest.mark.parametrize("name", SPARSE)
def test_zeros_are_never_sent_and_signs_are_kept(name: str) -> None:
    x = draw_vector("sparse", 5000, np.random.default_rng(0))
    y = _decode({"name": name, **({"density": 0.5} if name == "randk" else {})}, x)
    assert np.count_nonzero(y)
    assert np.array_equal(np.sign(y[y != 0]), np.sign(x[y != 0]))
    assert not _decode({"name": name}, np.zeros(300, np.float32)).any()


def test_stc_is_topk_at_one_magnitude() -> None:
    x = draw_vector("t3", 5000, np.random.default_rng(0))
    y = _decode({"name": "stc", "density": 0.02}, x)
    assert np.array_equal(y, _decode({"name": "topk", "density": 0.02, "bits": 1}, x))
    assert np.unique(np.abs(y)).size == 2  # zero and the mean magnitude
    assert np.isclose(np.abs(y).max(), np.sort(np.abs(x))[-100:].mean())


def test_threshold_keeps_what_reaches_it() -> None:
    x = draw_vector("gauss", 100_000, np.random.default_rng(0))
    y = _decode({"name": "threshold", "threshold": 2.0, "bits": 32}, x)
    cutoff = 2 * np.sqrt((x.astype(np.float64) ** 2).mean())
    assert np.abs(x[y != 0]).min() > cutoff * (1 - 2**-12)  # it is rounded to 12 bits
    assert np.abs(x[y == 0]).max() < cutoff * (1 + 2**-12)
    assert 0.04 < np.count_nonzero(y) / x.size < 0.05  # 2 (1 - Phi(2))


def test_threshold_keeps_the_largest_where_none_reaches_it() -> None:
    x = np.array([1, -1, 0.5, 1, 0], np.float32)
    y = _decode({"name": "threshold", "threshold": 9.0, "bits": 32}, x)
    assert y.tolist() == [1, -1, 0, 1, 0]


@pytest.mark.parametrize("chunk", [64, 100, 4096, 50_000])
@pytest.mark.parametrize("distribution", ["gauss", "t3"])
def test_chunked_topk_keeps_the_largest_k_of_each_chunk(chunk: int, distribution: str) -> None:
    x = draw_vector(distribution, 20_011, np.random.default_rng(0))
    y = _decode({"name": "chunked_topk", "chunk": chunk, "k": 5, "bits": 32}, x)
    for start in range(0, x.size, chunk):
        part, kept = np.abs(x[start : start + chunk]), y[start : start + chunk] != 0
        assert np.count_nonzero(kept) == 5
        assert part[kept].min() >= part[~kept].max()
    assert np.array_equal(y[y != 0], x[y != 0])


def test_chunked_topk_takes_ties_from_the_front_and_no_zeros() -> None:
    x = np.array([2, -2, 2, 2, 0, 0, 1, 0, 3, 3], np.float32)
    y = _decode({"name": "chunked_topk", "chunk": 4, "k": 2, "bits": 32}, x)
    assert y.tolist() == [2, -2, 0, 0, 0, 0, 1, 0, 3, 3]


@pytest.mark.parametrize("size", [3, 64, 700])
def test_numpy_alone_finds_the_same_largest_of_each_chunk(size: int) -> None:
    generator = np.random.default_rng(0)
    cases = [np.resize(x, 7 * size) for x in edge_cases(generator).values() if x.size]
    cases.append(generator.integers(-3, 4, 50 * size).astype(np.float32))  # many ties
    for x in cases:
        for k in {1, 2, size // 2, size - 1, size}:
            chunks = Chunks(x.size, size, lambda _, k=k: k)
            found = chunks.largest(x)
            with numpy_only():
                assert np.array_equal(chunks.largest(x), found)
            rows = x.reshape(-1, size)
            expected = np.argsort(-np.abs(rows), axis=1, kind="stable")[:, :k]
            expected = np.sort((expected + size * np.arange(rows.shape[0])[:, None]).ravel())
            assert np.array_equal(found, expected[x[expected] != 0])


@pytest.mark.parametrize(
    ("chunk", "k", "above"), [(64, 1, 0.01), (64, 2, 0.03), (256, 4, 0.16), (4096, 64, 0.1)]
)
def test_places_in_chunks_cost_little_above_the_bound(chunk: int, k: int, above: float) -> None:
    n = 4096 * 50
    x = draw_vector("gauss", n, np.random.default_rng(0))
    chunks = Chunks(n, chunk, lambda size: k)
    kept = chunks.largest(x)
    data = chunks.pack(kept)
    assert 8 * len(data) / kept.size < log2(comb(chunk, k)) / k + above
    reader = Reader(memoryview(data), "test")
    assert np.array_equal(chunks.read(reader), kept)
    reader.end()


@given(st.integers(1, 70), st.integers(1, 8), st.integers(0, 2**32))
def test_sets_are_numbered_without_a_gap(n: int, k: int, seed: int) -> None:
    k = min(k, n)
    if rank_bits(n, k) is None:
        return
    generator = np.random.default_rng(seed)
    sets = np.sort([generator.permutation(n)[:k] for _ in range(9)], axis=1)
    sets = np.vstack((sets, np.arange(k), np.arange(n - k, n)))
    ranks = rank_sets(sets, n)
    assert ranks[-2] == 0
    assert ranks[-1] == comb(n, k) - 1
    assert np.array_equal(unrank_sets(ranks, n, k), sets)


def test_a_set_that_does_not_exist_is_refused() -> None:
    chunks = Chunks(300, 100, lambda size: 1)
    with pytest.raises(ValueError, match="subset number 127 is out of range for chunks of 100"):
        chunks.read(Reader(memoryview(b"\x01\x7f\xc0\x1f"), "test"))


def test_randk_draws_k_of_n_evenly_and_apart_for_each_sender() -> None:
    counts = np.zeros(50)
    for seed in range(2000):
        kept = random_subset(np.random.default_rng(seed), 50, 10)
        assert (np.diff(kept) > 0).all()
        counts[kept] += 1
    assert counts.sum() == 20_000
    assert np.abs(counts - 400).max() < 5.5 * np.sqrt(2000 * 0.2 * 0.8)
    x = draw_vector("gauss", 5000, np.random.default_rng(0))
    spec = {"name": "randk", "density": 0.1, "bits": 32}
    first, second = (_decode(spec, x, sender=sender) for sender in (1, 2))
    assert np.count_nonzero(first) == 500
    assert 0 < np.count_nonzero(first * second) < 120
    assert np.array_equal(first[first != 0], x[first != 0])
    scaled = _decode({**spec, "scale": True}, x, sender=1)
    assert np.allclose(scaled, 10 * first)


@pytest.mark.parametrize(("n", "k"), [(10, 3), (1000, 999), (5000, 1), (100_000, 10_000), (7, 7)])
def test_the_drawn_coordinates_are_those_of_smallest_key(n: int, k: int) -> None:
    keys = np.random.default_rng(5).integers(0, 1 << 32, n, np.uint32)
    expected = np.sort(np.argsort(keys, kind="stable")[:k])
    assert np.array_equal(random_subset(np.random.default_rng(5), n, k), expected)


def test_randk_pays_for_values_alone() -> None:
    x = torch.from_numpy(draw_vector("gauss", 100_000, np.random.default_rng(0)))
    shared = Shared(Layout({"x": (100_000,)}))
    data = make_codec("randk", density=0.1, bits=4).encode(x, shared)
    assert len(data) < 5000 + 40


@pytest.mark.parametrize("density", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("distribution", ["gauss", "t3", "lora"])
def test_dgc_keeps_half_of_k_to_k_and_the_largest(density: float, distribution: str) -> None:
    x = draw_vector(distribution, 200_000, np.random.default_rng(0))
    for round_ in range(5):
        y = _decode({"name": "dgc", "density": density}, x, round=round_)
        kept = np.count_nonzero(y)
        assert density * x.size / 2 <= kept <= density * x.size
        assert np.abs(x[y != 0]).min() >= np.abs(x[y == 0]).max()


def test_dgc_warms_up_as_in_the_paper() -> None:
    codec = make_codec("dgc", density=0.001, warmup_rounds=4)
    densities = [codec.density_at(round_) for round_ in range(1, 8)]  # type: ignore[attr-defined]
    paper = [0.25, 0.0625, 0.015625, 0.004, 0.001, 0.001, 0.001]
    assert np.allclose(densities, paper, rtol=0.02)
    x = draw_vector("gauss", 100_000, np.random.default_rng(0))
    for round_, density in enumerate(paper[:5], 1):
        y = _decode({"name": "dgc", "density": 0.001, "warmup_rounds": 4}, x, round=round_)
        assert 0.5 < np.count_nonzero(y) / (density * x.size) <= 1.02


def test_dgc_has_a_revision_where_its_warm_up_changed() -> None:
    revisions = {
        (density, rounds): make_codec("dgc", density=density, warmup_rounds=rounds).revision
        for density in (0.001, 0.3)
        for rounds in (0, 4)
    }
    assert revisions == {(0.001, 0): 1, (0.001, 4): 2, (0.3, 0): 1, (0.3, 4): 1}
    assert make_codec("dgc", density=0.5, warmup_rounds=4).density_at(1) == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "threshold", "threshold": 0.0}, "threshold must be above 0, got 0"),
        ({"name": "topk", "bits": 0}, "bits must be one of"),
        ({"name": "randk", "density": 1.5}, "density must be in"),
        ({"name": "stc", "density": 0.0}, "density must be in"),
        ({"name": "dgc", "sample": 0.0}, "sample must be in"),
        ({"name": "dgc", "warmup_rounds": -1}, "warmup_rounds must be at least 0"),
        ({"name": "chunked_topk", "k": 2, "density": 0.1}, "and not both"),
        ({"name": "chunked_topk", "k": 65, "chunk": 64}, "k must be from 1 to chunk=64"),
        ({"name": "chunked_topk", "chunk": 1}, "chunk must be at least 2"),
    ],
    ids=str,
)
def test_fields_out_of_range_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec(spec)
