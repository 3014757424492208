"""The frame travels whole or not at all."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbytes.compression import HEADER_BYTES, Frame

FRAME = Frame(
    kind=3, codec_id=0xDEADBEEF, layout_digest=2**64 - 5, round=7, sender=9, payload=b"payload"
)
U32 = st.integers(0, 2**32 - 1)


@given(
    st.builds(
        Frame,
        kind=st.integers(0, 255),
        codec_id=U32,
        layout_digest=st.integers(0, 2**64 - 1),
        round=U32,
        sender=U32,
        payload=st.binary(max_size=300),
    )
)
def test_what_is_packed_is_unpacked(frame: Frame) -> None:
    data = frame.pack()
    assert len(data) == HEADER_BYTES + len(frame.payload) == 40 + len(frame.payload)
    assert Frame.unpack(data) == frame


def test_header_layout_is_as_documented() -> None:
    fields = struct.unpack("<2sBBIQIIQQ", FRAME.pack()[:40])
    assert fields[:8] == (b"FB", 1, 3, 0xDEADBEEF, 2**64 - 5, 7, 9, 7)


def test_every_single_bit_flip_is_refused() -> None:
    data = FRAME.pack()
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"frame|expected"):
            Frame.unpack(bytes(flipped))


def test_every_truncation_and_any_extra_byte_is_refused() -> None:
    data = FRAME.pack()
    for size in range(len(data)):
        with pytest.raises(ValueError, match="expected"):
            Frame.unpack(data[:size])
    with pytest.raises(ValueError, match="payload length is 7, expected 8"):
        Frame.unpack(data + b"x")


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", 4), ("codec_id", 1), ("layout_digest", 2), ("round", 8), ("sender", 0)],
)
def test_a_frame_other_than_expected_is_refused_with_both_values(field: str, value: int) -> None:
    Frame.unpack(FRAME.pack(), **{field: getattr(FRAME, field)})
    with pytest.raises(ValueError, match=f"{getattr(FRAME, field)}, expected {value}"):
        Frame.unpack(FRAME.pack(), **{field: value})


def test_a_length_from_the_wire_allocates_nothing() -> None:
    data = bytearray(FRAME.pack())
    data[24:32] = (2**63).to_bytes(8, "little")
    with pytest.raises(ValueError, match="payload length"):
        Frame.unpack(bytes(data))


def test_fields_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="kind=256"):
        Frame(256, 0, 0, 0, 0, b"").pack()
    with pytest.raises(ValueError, match="round=-1"):
        Frame(0, 0, 0, -1, 0, b"").pack()
