"""PowerSGD: what a rank holds, warm start from the previous global update, and its arithmetic."""

import dataclasses

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codec import seal
from fedbytes.compression.codecs.powersgd.factor_plan import FactorPlan
from fedbytes.compression.codecs.powersgd.products import (
    orthonormal_rows,
    project_columns,
    project_rows,
)
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.testing.sample_vectors import edge_cases

LAYOUT = Layout({"a": (8, 96), "b": (70, 8), "conv": (12, 5, 4), "bias": (33,), "thin": (1, 50)})
SHARED = Shared(LAYOUT, seed=3)


def _vector(rank: int | None, seed: int = 0) -> torch.Tensor:
    """Return a vector whose matrices have the rank, or any."""
    generator = np.random.default_rng(seed)
    parts = []
    for shape in LAYOUT.shapes.values():
        matrix = generator.standard_normal(shape).reshape(shape[0], -1)
        if rank and len(shape) > 1:
            m, n = matrix.shape
            matrix = generator.standard_normal((m, rank)) @ generator.standard_normal((rank, n))
        parts.append(matrix.ravel())
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))


def _loss(codec: object, x: torch.Tensor, shared: Shared = SHARED) -> float:
    y = codec.decode(codec.encode(x, shared), shared)  # type: ignore[attr-defined]
    return float((y - x).double().square().sum() / x.double().square().sum())


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_matrix_of_the_rank_comes_back(rank: int) -> None:
    codec = make_codec("powersgd", rank=rank, factors="fp32")
    assert _loss(codec, _vector(rank)) < 1e-12
    assert _loss(codec, _vector(1)) < 1e-12  # fewer directions than the rank do no harm
    assert _loss(codec, _vector(None)) > 0.1


def test_a_message_has_the_factors_and_no_more() -> None:
    codec = make_codec("powersgd", rank=2, factors="fp32")
    coordinates = 2 * (8 + 96 + 70 + 8 + 12 + 20) + 33 + 50
    assert len(codec.encode(_vector(None), SHARED)) == 4 * coordinates + 3 + 4


def test_tensors_that_factors_would_not_shorten_are_sent_as_they_are() -> None:
    x = _vector(None)
    codec = make_codec("powersgd", rank=8, factors="fp32")
    y = codec.decode(codec.encode(x, SHARED), SHARED)
    plain = LAYOUT.slices()
    for name in ("b", "conv", "bias", "thin"):
        assert torch.equal(y[plain[name]], x[plain[name]])
    assert [piece.rank for piece in FactorPlan(LAYOUT, 8).pieces] == [0, 0, 0, 0, 0]
    assert [piece.rank for piece in FactorPlan(LAYOUT, 7).pieces] == [7, 7, 7, 0, 0]


def test_warm_start_follows_a_slowly_changing_matrix() -> None:
    generator = np.random.default_rng(0)
    layout = Layout({"w": (60, 90)})
    left = np.linalg.qr(generator.standard_normal((60, 60)))[0]
    right = np.linalg.qr(generator.standard_normal((90, 90)))[0][:60]
    spectrum = 0.9 ** np.arange(60)
    best = float((spectrum[3:] ** 2).sum() / (spectrum**2).sum())
    losses: dict[bool, list[float]] = {True: [], False: []}
    for warm in losses:
        codec = make_codec("powersgd", rank=3, factors="fp32", warm_start=warm)
        reference = None
        for round_ in range(8):
            drift = 0.002 * np.random.default_rng(round_).standard_normal((60, 90))
            x = torch.from_numpy(((left * spectrum) @ right + drift).astype(np.float32).ravel())
            shared = Shared(layout, round=round_, reference=reference)
            reference = codec.decode(codec.encode(x, shared), shared)
            losses[warm].append(float((reference - x).square().sum() / x.square().sum()))
    assert losses[True][0] == losses[False][0]
    assert losses[True][-1] < 0.8 * losses[True][0]
    assert losses[True][-1] < 1.1 * best
    assert min(losses[False][1:]) > 1.1 * losses[True][-1]


def test_the_receiver_needs_no_reference() -> None:
    codec, x = make_codec("powersgd", rank=2), _vector(None)
    warm = dataclasses.replace(SHARED, reference=_vector(2, seed=1))
    data = codec.encode(x, warm)
    assert data != codec.encode(x, SHARED)
    assert torch.equal(codec.decode(data, SHARED), codec.decode(data, warm))


@pytest.mark.parametrize("kind", ["zero", "orthogonal", "nan", "huge", "tiny"])
def test_a_useless_reference_costs_little(kind: str) -> None:
    codec, x = make_codec("powersgd", rank=2, factors="fp32"), _vector(2)
    reference = torch.zeros(LAYOUT.numel)
    if kind == "orthogonal":  # to x's rows in every matrix
        for name, (m, *rest) in LAYOUT.shapes.items():
            if rest:
                rows = x[LAYOUT.slices()[name]].reshape(m, -1)
                free = torch.linalg.svd(rows.double())[2][-1]
                reference[LAYOUT.slices()[name]] = free.repeat(m).float()
    elif kind != "zero":
        fill = {"nan": float("nan"), "huge": 3e38, "tiny": 1e-45}[kind]
        reference += fill
    assert _loss(codec, x, dataclasses.replace(SHARED, reference=reference)) < 1e-10


@pytest.mark.parametrize(
    "factors",
    ["bf16", {"name": "ecsq", "bits": 1.0}, {"name": "int", "bits": 2}, "sign"],
    ids=str,
)
def test_any_codec_of_the_factors_contracts(factors: object) -> None:
    codec = make_codec("powersgd", rank=2, factors=factors)
    spike = torch.zeros(LAYOUT.numel)
    spike[100] = -3
    for x in (_vector(None), _vector(2), spike, torch.full((LAYOUT.numel,), 0.3)):
        assert _loss(codec, x) < 0.999


@pytest.mark.parametrize("factors", ["sign", {"name": "int", "bits": 2}, "bf16"], ids=str)
def test_rounding_the_factors_never_loses_half_of_what_they_keep(factors: object) -> None:
    exact = make_codec("powersgd", rank=2, factors="fp32")
    codec = make_codec("powersgd", rank=2, factors=factors)
    forms = set()
    for seed in range(12):
        x = _vector(None) * torch.from_numpy(
            np.random.default_rng(seed).exponential(size=LAYOUT.numel).astype(np.float32)
        )
        kept = 1 - _loss(exact, x)
        assert _loss(codec, x) <= 1 - kept / 2 + 1e-5
        forms.add(codec.encode(x, SHARED)[0])
    if factors == "sign":
        assert 2 in forms  # sometimes only float32 keeps enough


def test_extreme_matrices_come_back() -> None:
    codec = make_codec("powersgd", rank=2)
    for name, x in edge_cases(np.random.default_rng(0)).items():
        side = int(np.sqrt(x.size / 2))
        matrix = torch.from_numpy(x[: 2 * side * side].copy())
        if side == 0 or float(matrix.abs().max()) < 1e-37:
            continue
        shared = Shared(Layout({"w": (side, 2 * side)}))
        y = codec.decode(codec.encode(matrix, shared), shared)
        scale = float(matrix.abs().max())
        error = ((y.double() - matrix.double()) / scale).square().sum()
        assert error < (matrix.double() / scale).square().sum(), name


def test_numpy_alone_writes_the_same_bytes() -> None:
    layout = Layout({"w": (131, 70), "v": (3, 200)})
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(layout.numel, np.float32))
    shared = Shared(layout, reference=x.flip(0))
    codec = make_codec("powersgd", rank=5, iterations=2)
    data = codec.encode(x, shared)
    y = codec.decode(data, shared)
    with numpy_only():
        assert codec.encode(x, shared) == data
        assert torch.equal(codec.decode(data, shared), y)


def test_the_products_are_products() -> None:
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((130, 67), np.float32)
    q, p = generator.standard_normal((3, 67)), generator.standard_normal((3, 130))
    np.testing.assert_allclose(project_rows(matrix, q), q @ matrix.T.astype(np.float64))
    np.testing.assert_allclose(project_columns(matrix, p), p @ matrix.astype(np.float64))
    basis = orthonormal_rows(np.vstack((q, q[0] + q[1])))
    np.testing.assert_allclose(basis[:3] @ basis[:3].T, np.eye(3), atol=1e-12)
    assert not basis[3].any()


def test_damaged_factors_are_refused() -> None:
    codec = make_codec("powersgd", rank=2, factors="fp32")
    body = codec.encode(_vector(None), SHARED)[:-4]
    for bad in (b"\3" + body[1:], body[:-1], body + b"\0", body[:1] + b"\xff\x7f" + body[3:]):
        with pytest.raises(ValueError, match="payload"):
            codec.decode(seal(codec, bad, SHARED), SHARED)


@pytest.mark.parametrize("fields", [{"rank": 0}, {"iterations": 0}], ids=str)
def test_fields_out_of_range_are_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        make_codec("powersgd", **fields)
