"""Bytes on the wire stay what they are: vectors kept in golden/ decode and encode alike.

A new codec or variant gets its file from `FEDBYTES_WRITE_GOLDEN=1 pytest <this file>`; files that
exist are never rewritten.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from fedbytes.compression import (
    Layout,
    Shared,
    codec_id,
    default_variants,
    make_codec,
)
from fedbytes.compression.numerics.kernels import numpy_only

FOLDER = Path(__file__).parent / "golden"
SHAPES = {"lora_a": (8, 10), "none": (0, 3), "lora_b": (15, 7), "bias": (16,)}
PAIRS = {  # for files that say so: with a reference too
    "q.lora_A": (4, 40),
    "q.lora_B": (40, 4),
    "v.lora_A": (4, 40),
    "v.lora_B": (24, 4),
    "head": (5, 40),
    "bias": (10,),
}
VARIANTS = default_variants()


def _input() -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(bytes.fromhex(_text("input.hex")), "<f4").copy())


def _vector(paired: bool) -> torch.Tensor:
    """Return the input; for pairs with a low-rank part in each matrix, as adapters have it."""
    x = _input().numpy()
    if paired:
        x = np.resize(x, Layout(PAIRS).numel).clip(-1, 1)
        for name, part in Layout(PAIRS).slices().items():
            rows, columns = (np.arange(extent) for extent in (*PAIRS[name], 1)[:2])
            low_rank = np.outer(7 * rows % 11 - 5, 5 * columns % 13 - 6)
            x[part] += low_rank.ravel().astype(np.float32)
    return torch.from_numpy(x)


def _text(name: str) -> str:
    return (FOLDER / name).read_text().strip()


def _shared(paired: bool) -> Shared:
    if paired:
        earlier = torch.from_numpy(np.roll(np.resize(_input(), Layout(PAIRS).numel), 1))
        return Shared(Layout(PAIRS), seed=7, round=3, sender=2, reference=earlier)
    return Shared(Layout(SHAPES), seed=7, round=3, sender=2)


def _path(spec: dict) -> Path:
    return FOLDER / f"{spec['name']}-{codec_id(make_codec(spec)):08x}.json"


def _write(spec: dict) -> None:
    codec = make_codec(spec)
    shared = _shared(codec.uses_reference)
    data = codec.encode(_vector(codec.uses_reference), shared)
    y = codec.decode(data, shared).numpy().astype("<f4")
    golden = {"spec": spec, "data": data.hex(), "decoded": y.tobytes().hex()}
    if codec.uses_reference:
        golden["paired"] = True
    _path(spec).write_text(json.dumps(golden, indent=1) + "\n")


@pytest.mark.parametrize("spec", VARIANTS, ids=str)
def test_bytes_are_what_they_were(spec: dict) -> None:
    if os.environ.get("FEDBYTES_WRITE_GOLDEN") and not _path(spec).exists():
        _write(spec)
    golden = json.loads(_path(spec).read_text())
    assert golden["spec"] == spec
    codec, data = make_codec(spec), bytes.fromhex(golden["data"])
    paired = golden.get("paired", False)
    shared, x = _shared(paired), _vector(paired)
    decoded = np.frombuffer(bytes.fromhex(golden["decoded"]), "<f4")
    assert np.array_equal(codec.decode(data, shared).numpy(), decoded)
    assert codec.encode(x, shared) == data
    with numpy_only():
        assert np.array_equal(codec.decode(data, shared).numpy(), decoded)
        assert codec.encode(x, shared) == data


def test_the_layout_digest_is_what_it_was() -> None:
    assert f"{Layout(SHAPES).digest:016x}" == _text("layout.hex")
