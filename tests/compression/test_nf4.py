"""NF4 has bitsandbytes' values."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec, nf4
from fedbytes.compression.vectors import draw

bnb = pytest.importorskip("bitsandbytes.functional")


def _both(x: torch.Tensor, block: int, double_quant: bool) -> tuple[torch.Tensor, torch.Tensor]:
    codec = make_codec("nf4", block=block, double_quant=double_quant)
    shared = Shared(Layout({"x": (x.numel(),)}))
    ours = codec.decode(codec.encode(x, shared), shared)
    packed, state = bnb.quantize_4bit(
        x, blocksize=block, quant_type="nf4", compress_statistics=double_quant
    )
    return ours, bnb.dequantize_4bit(packed, state).reshape(-1)


@pytest.mark.parametrize(
    ("numel", "block", "distribution"),
    [(1, 64, "gauss"), (65, 64, "t3"), (16401, 64, "gauss"), (6400, 256, "t3")],
)
def test_values_are_the_same(numel: int, block: int, distribution: str) -> None:
    x = torch.from_numpy(draw(distribution, numel, np.random.default_rng(numel)))
    ours, theirs = _both(x, block, double_quant=False)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("numel", [65, 100_001])
def test_double_quantised_values_are_the_same_but_for_the_last_bit_of_the_mean(numel: int) -> None:
    x = torch.from_numpy(draw("gauss", numel, np.random.default_rng(numel)))
    ours, theirs = _both(x, 64, double_quant=True)
    # bitsandbytes sums the mean of the scales in float32, in an order that depends on threads.
    close = torch.isclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert close.float().mean() > 0.999


def test_the_dynamic_map_is_the_same() -> None:
    assert np.array_equal(nf4.dynamic_map(), bnb.create_dynamic_map().numpy())


def test_the_table_is_the_same() -> None:
    assert np.array_equal(nf4.TABLE, bnb.get_4bit_type("nf4", device="cpu").numpy())
