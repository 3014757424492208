"""Many damaged payloads with a right digest: refused, or decoded to a sound vector."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.compression import Frame, Layout, Shared, codec_id, default_variants, make_codec
from fedbytes.compression.core import DIGEST_BYTES, seal
from fedbytes.compression.vectors import draw

VARIANTS = default_variants()
SHARED = Shared(Layout({"a": (7, 11), "b": (123,)}), seed=5)
NUMEL = SHARED.layout.numel


def _body(spec: dict, distribution: str) -> bytes:
    x = torch.from_numpy(draw(distribution, NUMEL, np.random.default_rng(1)))
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


def _decode(spec: dict, body: bytes) -> None:
    codec = make_codec(spec)
    try:
        y = codec.decode(seal(codec, body, SHARED), SHARED)
    except ValueError:
        return
    assert y.shape == (NUMEL,)
    assert torch.isfinite(y).all()
