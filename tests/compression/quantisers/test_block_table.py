"""NF4 and FP4 have bitsandbytes' values."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.quantisers import dynamic_8bit
from fedbytes.compression.testing.sample_vectors import draw_vector

bnb = pytest.importorskip("bitsandbytes.functional")

KINDS = ("nf4", "fp4")


@pytest.fixture
def our_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bitsandbytes code scales by our map: its own has other last bits on some processors."""
    ours = torch.from_numpy(dynamic_8bit.dynamic_map().copy())
    monkeypatch.setitem(bnb.name2qmap, "dynamic", ours)


def _ours(x: torch.Tensor, kind: str, block: int, double_quant: bool) -> torch.Tensor:
    codec = make_codec(kind, block=block, double_quant=double_quant)
    shared = Shared(Layout({"x": (x.numel(),)}))
    return codec.decode(codec.encode(x, shared), shared)


def _theirs(
    x: torch.Tensor, kind: str, block: int, double_quant: bool, mean: float | None = None
) -> torch.Tensor:
    """Return bitsandbytes' values; `mean`, if given, replaces the mean that it takes off scales."""
    packed, state = bnb.quantize_4bit(x, blocksize=block, quant_type=kind)
    if double_quant:
        offset = state.absmax.mean() if mean is None else torch.tensor(mean)
        codes, inner = bnb.quantize_blockwise(state.absmax - offset, blocksize=256)
        state.absmax = bnb.dequantize_blockwise(codes, inner) + offset
    return bnb.dequantize_4bit(packed, state).reshape(-1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("numel", "block", "distribution"),
    [(1, 64, "gauss"), (65, 64, "t3"), (16401, 64, "gauss"), (6400, 256, "t3"), (9000, 32, "lora")],
)
def test_values_are_the_same(kind: str, numel: int, block: int, distribution: str) -> None:
    x = torch.from_numpy(draw_vector(distribution, numel, np.random.default_rng(numel)))
    assert torch.equal(_ours(x, kind, block, False), _theirs(x, kind, block, False))


@pytest.mark.usefixtures("our_map")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("numel", [65, 100_001, 1_000_000])
def test_double_quantised_values_are_the_same_given_the_mean(kind: str, numel: int) -> None:
    x = torch.from_numpy(draw_vector("gauss", numel, np.random.default_rng(numel)))
    scales = bnb.quantize_4bit(x, blocksize=64, quant_type=kind)[1].absmax
    mean = float(scales.double().mean().float())
    assert torch.equal(_ours(x, kind, 64, True), _theirs(x, kind, 64, True, mean))


@pytest.mark.usefixtures("our_map")
@pytest.mark.parametrize("kind", KINDS)
def test_double_quantised_values_are_the_same_where_the_mean_is_exact(kind: str) -> None:
    # Scales are multiples of 1/256, so that float32 sums them without rounding in any order.
    generator = np.random.default_rng(0)
    x = np.rint(generator.standard_normal(64 * 1024) * 256).astype(np.float32) / 256
    given = torch.from_numpy(x)
    packed, state = bnb.quantize_4bit(given, quant_type=kind, compress_statistics=True)
    theirs = bnb.dequantize_4bit(packed, state).reshape(-1)
    assert torch.equal(_ours(given, kind, 64, True), theirs)


def test_the_dynamic_map_is_the_same() -> None:
    ours, theirs = dynamic_8bit.dynamic_map(), bnb.create_dynamic_map().numpy()
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=2)
    if not np.array_equal(torch.linspace(0.1, 1, 65).numpy(), _fused_linspace(65)):
        pytest.skip("near, not the same: without fused steps torch.linspace has other last bits")
    assert np.array_equal(ours, theirs)


def _fused_linspace(count: int) -> np.ndarray:
    """Return what torch.linspace(0.1, 1) is with one rounding of each step times its number."""
    low, high = np.float32(0.1), np.float32(1)
    step, number = (high - low) / np.float32(count - 1), np.arange(count)
    below = np.float64(low) + np.float64(step) * number
    above = np.float64(high) - np.float64(step) * (count - 1 - number)
    return np.where(number < count // 2, below, above).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_is_the_same(kind: str) -> None:
    theirs = np.sort(bnb.get_4bit_type(kind, device="cpu").numpy())
    assert np.array_equal(make_codec(kind).table, theirs)


@pytest.mark.parametrize(("block", "contracts"), [(256, True), (4096, False)])
def test_scales_in_8_bits_can_drown_large_blocks_that_are_almost_zero(
    block: int, contracts: bool
) -> None:
    # Half of the blocks hold a 2 each; one holds a 9; the rest is tiny, and its scales are
    # coded to a hundredth of the 9 that they share a group with.
    x = np.zeros((512, block), np.float32)
    x[:256, 0], x[256, 0], x[257:] = 2, 8.944272, 1e-9
    given = torch.from_numpy(x.ravel())
    lost = float(((_ours(given, "nf4", block, True) - given) ** 2).sum() / (given**2).sum())
    assert (lost < 1) == contracts == make_codec("nf4", block=block, double_quant=True).contracts
