"""Every registered codec, in every variant it names, keeps the contract."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fedbytes.compression import (
    CODECS,
    Codec,
    check_codec,
    codec_names,
    default_variants,
    make_codec,
    measure,
)
from fedbytes.compression.codec import Floats, Payload
from fedbytes.compression.layout import Shared
from fedbytes.compression.testing.fresh_process import decode_in_fresh_process
from fedbytes.compression.testing.sample_vectors import draw_vector, edge_cases, sample_layout

VARIANTS = default_variants()
FIRST = ["bf16", "ecsq", "fp32", "int", "nf4", "sign", "topk"]


def test_every_first_codec_is_registered_and_has_a_variant() -> None:
    assert set(FIRST) <= set(codec_names())
    assert {spec["name"] for spec in VARIANTS} == set(codec_names())


@pytest.mark.parametrize("spec", VARIANTS, ids=str)
def test_contract(spec: dict) -> None:
    for finding in check_codec(make_codec(spec)):
        assert finding.passed, f"{finding.property}: {finding.message}"


def test_a_fresh_process_decodes_every_codec_alike() -> None:
    cases = []
    for place, spec in enumerate(VARIANTS):
        x = draw_vector("t3", 700, np.random.default_rng(place))
        codec, shared = make_codec(spec), Shared(sample_layout(700), seed=3, round=2, sender=5)
        cases.append((codec, codec.encode(torch.from_numpy(x), shared), shared))
    for (codec, data, shared), found in zip(cases, decode_in_fresh_process(cases), strict=True):
        assert np.array_equal(found, codec.decode(data, shared).numpy()), codec


@dataclass(frozen=True)
class _Wrong(Codec):
    """A codec with one fault, to see that the checks find it."""

    fault: str = ""

    @property
    def exact(self) -> bool:
        return self.fault in ("inexact", "unsigned zeros")

    @property
    def relative_error(self) -> float:
        return 0.01 if self.fault == "coarse" else math.inf

    @property
    def unbiased(self) -> bool:
        return self.fault == "biased"

    @property
    def contracts(self) -> bool:
        return self.fault == "expands"

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if self.fault == "nan on all equal":
            spread = x.max(initial=0) - x.min(initial=0)
            with np.errstate(all="ignore"):
                return (x / spread).astype("<f4")
        if self.fault == "writes":
            torch.from_numpy(x).mul_(2)
        if self.fault == "greedy":
            np.zeros(50 * x.size)
        if self.fault == "random":
            return np.random.default_rng().random(x.size, np.float32)
        return x.copy()

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        if self.fault == "length":
            return np.frombuffer(data, "<f4")[: shared.layout.numel - 1]
        if self.fault == "allocates":
            np.zeros(50 * shared.layout.numel)
        if self.fault == "crash" and len(data) != 4 * shared.layout.numel:
            raise RuntimeError("boom")
        y = np.frombuffer(data[: len(data) // 4 * 4], "<f4", shared.layout.numel)
        with np.errstate(all="ignore"):
            if self.fault == "unsigned zeros":
                return y + np.float32(0)
            scales = {"biased": 0.98, "expands": 2.5, "inexact": 1 + 2.0**-23, "coarse": 0.98}
            return y * np.float32(scales.get(self.fault, 1))


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("nan on all equal", "round trip"),
        ("writes", "round trip"),
        ("random", "round trip"),
        ("length", "round trip"),
        ("allocates", "hostile payloads"),
        ("crash", "hostile payloads"),
        ("biased", "unbiased"),
        ("expands", "contracts"),
        ("inexact", "exact"),
        ("unsigned zeros", "exact"),
        ("coarse", "relative error"),
    ],
)
def test_the_checks_find_faults(fault: str, finding: str) -> None:
    _Wrong.name = "wrong"
    assert finding in {f.property for f in check_codec(_Wrong(fault)) if not f.passed}


def test_too_much_memory_is_reported_with_the_knob_that_allows_it() -> None:
    _Wrong.name = "wrong"
    (found,) = [f for f in check_codec(_Wrong("greedy")) if f.property == "memory"]
    assert not found.passed
    assert "limit 1862144 = encode_memory=16 bytes per coordinate + 256 KiB" in found.message
    assert found.message.endswith("set encode_memory on the class")


def test_edge_cases_cover_the_extremes() -> None:
    cases = edge_cases(np.random.default_rng(0))
    sizes = {x.size for x in cases.values()}
    assert {0, 1} <= sizes
    assert max(float(np.abs(x).max(initial=0)) for x in cases.values()) == np.finfo("f4").max
    assert all(np.isfinite(x).all() for x in cases.values())


def test_measure_counts_the_bytes_of_encode() -> None:
    found = measure(make_codec("fp32"), numel=1000, repeats=1)
    assert found["bits_per_coordinate"] == 32 + 8 * 4 / 1000  # and the digest
    assert found["nmse"] == 0
    assert found["gap_db"] == -math.inf
    found = measure(make_codec("int", bits=8), numel=50_000, repeats=1)
    assert found["mean_nmse"] < found["nmse"]  # rounding errors of clients average out
    assert found["encode_mb_s"] > 0


def test_codecs_name_known_examples_only() -> None:
    for name in codec_names():
        for fields in CODECS.get(name).examples:
            assert make_codec(name, **fields).name == name
