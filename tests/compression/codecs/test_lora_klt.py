"""lora_klt finds what LoRA deltas have in common, and costs little where they have nothing."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codecs.lora_klt.eigen import eigen
from fedbytes.compression.codecs.lora_klt.matrices import (
    gather_matrices,
    plan_matrices,
    rank_bases,
    scatter_matrices,
)
from fedbytes.compression.codecs.lora_klt.rank_one_components import (
    leading_components,
    most_components,
)
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.testing.sample_vectors import draw_lora_update, draw_vector, sample_layout


def _loss(codec, x: np.ndarray, shared: Shared) -> float:
    y = codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()
    return float(((y - x).astype(np.float64) ** 2).sum() / (x.astype(np.float64) ** 2).sum())


@pytest.fixture(scope="module")
def adapter() -> tuple[Shared, np.ndarray]:
    layout, x, reference = draw_lora_update(np.random.default_rng(1), rank=16, width=384, pairs=6)
    return Shared(layout, reference=torch.from_numpy(reference)), x


@pytest.mark.parametrize("basis", ["own", "reference"])
@pytest.mark.parametrize("bits", [0.25, 0.5, 1.2, 4.0])
def test_the_rate_is_met_and_low_rank_deltas_lose_less(adapter, bits: float, basis: str) -> None:
    shared, x = adapter
    codec = make_codec("lora_klt", bits=bits, basis=basis)
    data = codec.encode(torch.from_numpy(x), shared)
    assert abs(8 * len(data) / x.size - bits) <= 0.02 * bits
    assert _loss(codec, x, shared) < 0.5 * _loss(make_codec("ecsq", bits=bits), x, shared)


def test_a_reference_of_the_same_directions_helps(adapter) -> None:
    shared, x = adapter
    blind = Shared(shared.layout)
    codec = make_codec("lora_klt", step=1.0, basis="reference")
    given = torch.from_numpy(x)
    assert len(codec.encode(given, shared)) < len(codec.encode(given, blind))


@pytest.mark.parametrize("distribution", ["gauss", "t3"])
def test_vectors_without_structure_lose_no_more_than_with_ecsq(distribution: str) -> None:
    x = draw_vector(distribution, 100_000, np.random.default_rng(2))
    layout, _, _ = draw_lora_update(np.random.default_rng(1), rank=16, width=384, pairs=6)
    x = x[: layout.numel]
    useless = torch.from_numpy(draw_vector("gauss", x.size, np.random.default_rng(3)))
    for shared in (Shared(layout, reference=useless), Shared(sample_layout(x.size))):
        for bits in (0.5, 2.0):
            loss = _loss(make_codec("lora_klt", bits=bits, basis="reference"), x, shared)
            assert loss < 1.03 * _loss(make_codec("ecsq", bits=bits), x, shared)


def test_equal_magnitudes_are_coded_where_the_rate_allows_only_some() -> None:
    x = np.sign(draw_vector("gauss", 60_000, np.random.default_rng(4)))
    codec, shared = make_codec("lora_klt", bits=0.6), Shared(sample_layout(x.size))
    assert abs(8 * len(codec.encode(torch.from_numpy(x), shared)) / x.size - 0.6) < 0.012
    assert _loss(codec, x, shared) < 0.45


def test_ratio_moves_error_between_the_factors(adapter) -> None:
    shared, x = adapter
    b = np.concatenate(
        [np.arange(s.start, s.stop) for n, s in shared.layout.slices().items() if "lora_B" in n]
    )
    errors = []
    for ratio in (0.5, 2.0):
        codec = make_codec("lora_klt", bits=1.0, ratio=ratio)
        y = codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()
        errors.append(((y - x)[b] ** 2).sum())
    assert errors[0] < 0.6 * errors[1]


def test_planes_hold_every_coordinate_once_and_turning_is_undone() -> None:
    layout, x, reference = draw_lora_update(np.random.default_rng(5))
    for factored in (True, False):
        shape = plan_matrices(layout, factored)
        bases = rank_bases(shape, reference)
        work, back = np.full_like(x, np.nan), np.full_like(x, np.nan)
        gather_matrices(shape, x, bases, work)
        scatter_matrices(shape, work, bases, back)
        np.testing.assert_allclose(back, x, rtol=1e-5, atol=1e-6)
        assert np.isfinite(work).all()
    names = {"lora_A": (3, 5), "lora_B": (7, 2), "x.lora_A": (0, 4), "x.lora_B": (4, 0)}
    assert plan_matrices(Layout(names)).pairs == 0  # ranks differ, or nothing is there


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_eigenvectors_are_orthonormal_sorted_and_the_same_without_numba(size: int) -> None:
    half = np.random.default_rng(size).standard_normal((size, size + 1))
    matrix = half @ half.T
    matrix = (matrix + matrix.T) / 2
    values, vectors = eigen(matrix)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), atol=1e-12)
    np.testing.assert_allclose(vectors.T @ matrix @ vectors, np.diag(values), atol=1e-8)
    assert (np.diff(values) <= 0).all()
    with numpy_only():
        again = eigen(matrix)
    assert np.array_equal(again[0], values)
    assert np.array_equal(again[1], vectors)


@pytest.mark.parametrize("shape", [(8, 50), (50, 8), (130, 140)])
def test_leading_directions_hold_the_energy_that_singular_vectors_do(shape) -> None:
    generator = np.random.default_rng(6)
    weights = generator.standard_normal((shape[0], 3)) * [5, 2, 1]
    matrix = weights @ generator.standard_normal((3, shape[1]))
    matrix = (matrix + 0.01 * generator.standard_normal(shape)).astype(np.float32)
    vectors, energies = leading_components(matrix)
    assert vectors.shape == (shape[0], most_components(*shape))
    exact = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)[:3] ** 2
    np.testing.assert_allclose(energies[:3], exact, rtol=1e-3)
    held = np.linalg.norm(vectors[:, :3].T @ matrix, axis=1) ** 2
    np.testing.assert_allclose(held, exact, rtol=1e-3)
    with numpy_only():
        again = leading_components(matrix)
    assert np.array_equal(again[0], vectors)
    assert np.array_equal(again[1], energies)


def test_bytes_are_the_same_without_numba(adapter) -> None:
    layout, x, reference = draw_lora_update(np.random.default_rng(7), rank=8, width=64)
    shared = Shared(layout, reference=torch.from_numpy(reference))
    codec, given = make_codec("lora_klt", bits=1.0, basis="reference"), torch.from_numpy(x)
    data = codec.encode(given, shared)
    y = codec.decode(data, shared)
    with numpy_only():
        assert codec.encode(given, shared) == data
        assert torch.equal(codec.decode(data, shared), y)


@pytest.mark.parametrize(
    "fields",
    [
        {"bits": 0.5, "step": 1.0},
        {"bits": 0.0},
        {"bits": 13.0},
        {"step": 0.0},
        {"ratio": 0.0},
        {"basis": "other"},
    ],
)
def test_impossible_fields_are_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match="lora_klt"):
        make_codec("lora_klt", **fields)


def test_a_reference_that_is_not_finite_is_refused() -> None:
    layout, x, reference = draw_lora_update(np.random.default_rng(8))
    reference[3] = np.nan
    shared = Shared(layout, reference=torch.from_numpy(reference))
    with pytest.raises(ValueError, match="reference is not finite"):
        make_codec("lora_klt", basis="reference").encode(torch.from_numpy(x), shared)
