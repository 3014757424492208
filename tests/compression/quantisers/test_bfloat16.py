"""Floats of 16 and 8 bits have the values that torch's casts have."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.testing.sample_vectors import draw_vector, edge_cases


def _through(x: torch.Tensor, name: str, **fields: object) -> torch.Tensor:
    codec, shared = make_codec(name, **fields), Shared(Layout({"x": (x.numel(),)}))
    return codec.decode(codec.encode(x, shared), shared)


def test_fp16_saturates_and_keeps_subnormals() -> None:
    step = 2.0**-24
    x = torch.tensor([1e6, -3.4e38, 65519, 65504, 5.5 * step, 0.5 * step, 1.5 * step, 1 + 2**-11])
    expected = [65504, -65504, 65504, 65504, 6 * step, 0, 2 * step, 1]
    assert _through(x, "fp16").tolist() == expected


@pytest.mark.parametrize("distribution", ["gauss", "t3", "lora"])
def test_fp16_is_the_cast(distribution: str) -> None:
    x = torch.from_numpy(
        draw_vector(distribution, 10_001, np.random.default_rng(0)) * np.float32(1e-4)
    )
    assert torch.equal(_through(x, "fp16"), x.half().float())


FORMATS = {"e4m3": (torch.float8_e4m3fn, 448.0), "e5m2": (torch.float8_e5m2, 57344.0)}


def _cast(x: torch.Tensor, dtype: torch.dtype, top: float) -> torch.Tensor:
    """Return one block cast after scaling by the power of two that just keeps it in range."""
    peak = float(x.abs().max())
    scale = 1.0
    while peak / scale > top:
        scale *= 2
    while peak and peak / scale <= top / 2:
        scale /= 2
    return (x.double() / scale).float().to(dtype).double() * scale


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize("size", [1e-30, 1e-4, 1.0, 1e35])
def test_fp8_is_the_cast_of_the_scaled_values(form: str, size: float) -> None:
    block = 100
    x = torch.from_numpy(draw_vector("t3", 10_050, np.random.default_rng(0)) * np.float32(size))
    expected = torch.cat([_cast(part, *FORMATS[form]) for part in x.split(block)])
    found = _through(x, "fp8", format=form, block=block)
    assert torch.equal(found.double(), expected)


@pytest.mark.parametrize("form", list(FORMATS))
def test_fp8_never_saturates_and_keeps_its_own_values(form: str) -> None:
    dtype, _ = FORMATS[form]
    every = torch.arange(256, dtype=torch.uint8).view(dtype).float()
    every = every[every.isfinite()]
    assert torch.equal(_through(every, "fp8", format=form, block=256), every)
    for name, x in edge_cases(np.random.default_rng(0)).items():
        peak = np.abs(x).max(initial=0)
        if peak > 1e-37:
            y = _through(torch.from_numpy(x), "fp8", format=form, block=max(x.size, 1))
            assert abs(float(y.abs().max()) / peak - 1) <= 2**-3, name
