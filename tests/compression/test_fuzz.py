"""Damaged frames are refused; damaged payloads with a right digest too, or they decode soundly.

`fuzz_atheris.py` searches for more of the latter, guided by coverage.
"""

import importlib.util
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.compression import (
    Codec,
    Frame,
    Layout,
    Shared,
    codec_id,
    default_variants,
    make_codec,
)
from fedbytes.compression.codec import DIGEST_BYTES, seal
from fedbytes.compression.testing.sample_vectors import draw_vector as draw_vector

VARIANTS = default_variants()
SHARED = Shared(Layout({"a": (7, 11), "b": (123,)}), seed=5)
NUMEL = SHARED.layout.numel
FRAMES = 1_000_000
GUIDED = 100_000


def _body(spec: dict, distribution: str) -> bytes:
    x = torch.from_numpy(draw_vector(distribution, NUMEL, np.random.default_rng(1)))
    return make_codec(spec).encode(x, SHARED)[:-DIGEST_BYTES]


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(VARIANTS) - 1), st.binary(max_size=300))
def test_any_bytes_as_a_body(which: int, body: bytes) -> None:
    _decode(VARIANTS[which], body)


@pytest.mark.slow
@pytest.mark.parametrize("spec", VARIANTS, ids=str)
def test_many_mutations(spec: dict) -> None:
    generator = np.random.default_rng(2)
    for distribution in ("gauss", "t3", "sparse"):
        body = _body(spec, distribution)
        for _ in range(5000):
            out = bytearray(body)
            for _ in range(int(generator.integers(1, 6))):
                place = int(generator.integers(len(out))) if out else 0
                how = generator.integers(4)
                if how == 0:
                    del out[place : place + int(generator.integers(1, 5))]
                elif how == 1:
                    out[place:place] = generator.bytes(int(generator.integers(1, 5)))
                elif out:
                    out[place % len(out)] = int(generator.integers(256))
            _decode(spec, bytes(out))


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(VARIANTS) - 1), st.data())
def test_a_frame_with_any_bit_flipped_never_reaches_the_codec(
    which: int, data: st.DataObject
) -> None:
    codec = make_codec(VARIANTS[which])
    payload = codec.encode(torch.ones(NUMEL), SHARED)
    packed = bytearray(Frame(1, codec_id(codec), SHARED.layout.digest, 0, 0, payload).pack())
    place = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[place // 8] ^= 1 << place % 8
    with pytest.raises(ValueError, match="frame"):
        Frame.unpack(bytes(packed))


Damage = Callable[[bytes, bytes, random.Random], bytes]


def _flipped(own: bytes, other: bytes, draw: random.Random) -> bytes:
    out = bytearray(own)
    for _ in range(draw.randint(1, 4)):
        out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
    return bytes(out)


def _cut(own: bytes, other: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(own))
    return own[:start] + own[start + draw.randint(1, 40) :]


def _grown(own: bytes, other: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(own))
    return own[:start] + draw.randbytes(draw.randint(1, 20)) + own[start:]


def _spliced(own: bytes, other: bytes, draw: random.Random) -> bytes:
    return own[: draw.randint(0, len(own))] + other[draw.randint(0, len(other)) :]


DAMAGES: tuple[Damage, ...] = (_flipped, _cut, _grown, _spliced)


@pytest.mark.slow
def test_a_million_damaged_frames_are_refused() -> None:
    draw, refused = random.Random(6), 0
    codecs = [make_codec(spec) for spec in VARIANTS]
    tensors = [
        torch.from_numpy(draw_vector("t3", NUMEL, np.random.default_rng(i))) for i in range(3)
    ]
    others = [Shared(SHARED.layout, seed=5, round=1), Shared(SHARED.layout, seed=5, sender=1)]
    for place, codec in enumerate(codecs):
        payload = codec.encode(tensors[0], SHARED)
        strange = [codec.encode(x, shared) for x, shared in zip(tensors[1:], others, strict=True)]
        strange.append(codecs[place - 1].encode(tensors[0], SHARED))
        frames = [_packed(codec, body) for body in (payload, *strange)]
        for body in strange:  # whole, from another round, sender or codec
            _refuse(codec, _packed(codec, body))
        for shared in others:
            _refuse(codec, _packed(codec, payload, shared))
        refused += len(strange) + len(others)
        for trial in range(FRAMES // len(codecs) + 100):
            damage, other = DAMAGES[trial % 4], 1 + trial % len(strange)
            if trial % 3:
                data = damage(frames[0], frames[other], draw)
            else:  # the frame's digest is right, that of the payload is not
                data = _packed(codec, damage(payload, strange[other - 1], draw))
            if data not in frames:
                _refuse(codec, data)
                refused += 1
    print(f"{refused} frames refused")
    assert refused >= FRAMES


def _packed(codec: Codec, payload: bytes, shared: Shared = SHARED) -> bytes:
    frame = Frame(1, codec_id(codec), shared.layout.digest, shared.round, shared.sender, payload)
    return frame.pack()


def _refuse(codec: Codec, data: bytes) -> None:
    expected = {
        "kind": 1,
        "codec_id": codec_id(codec),
        "layout_digest": SHARED.layout.digest,
        "round": SHARED.round,
        "sender": SHARED.sender,
    }
    try:
        codec.decode(Frame.unpack(data, **expected).payload, SHARED)
    except ValueError:
        return
    raise AssertionError(f"{codec} took the damaged frame {data.hex()}")


@pytest.mark.slow
@pytest.mark.parametrize("spec", VARIANTS, ids=str)
def test_damaged_bodies_take_at_most_twice_the_vector(spec: dict) -> None:
    codec, draw, numel = make_codec(spec), random.Random(7), 200_000
    shared = Shared(Layout({"a": (200, 500), "b": (numel - 100_000,)}), seed=5)
    given = [draw_vector(name, numel, np.random.default_rng(1)) for name in ("gauss", "sparse")]
    own, other = (codec.encode(torch.from_numpy(x), shared)[:-DIGEST_BYTES] for x in given)
    _decode(spec, own, shared)
    _decode(spec, other, shared)  # compiles and keeps what is kept
    most = 0
    for trial in range(40):
        data = seal(codec, DAMAGES[trial % 4](own, other, draw), shared)
        tracemalloc.start()
        try:
            codec.decode(data, shared)
        except ValueError:
            pass
        finally:
            most = max(most, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert most <= 8 * numel + (1 << 18)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="make test-slow installs it"
)
def test_guided_by_coverage() -> None:
    harness = Path(__file__).with_name("fuzz_atheris.py")
    command = [sys.executable, str(harness), f"-atheris_runs={GUIDED}", "-seed=1", "-max_len=400"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-4000:]


def _decode(spec: dict, body: bytes, shared: Shared = SHARED) -> None:
    codec = make_codec(spec)
    try:
        y = codec.decode(seal(codec, body, shared), shared)
    except ValueError:
        return
    assert y.shape == (shared.layout.numel,)
    assert torch.isfinite(y).all()
