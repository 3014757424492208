"""The frame of every message: a header of 40 bytes, then the payload."""

import struct
from dataclasses import dataclass

import xxhash

MAGIC = b"FB"
VERSION = 1
HEADER_BYTES = 40
_HEADER = struct.Struct("<2sBBIQIIQQ")
_BEFORE_DIGEST = struct.Struct("<2sBBIQIIQ")


@dataclass(frozen=True)
class Frame:
    """One message between client and server.

    Attributes:
        kind: the kind of message, 0 to 255, as the caller numbers them.
        codec_id: `codec_id(codec)` of the payload's codec.
        layout_digest: `Layout.digest` of the vector that the payload encodes.
        round: the round, below 2^32.
        sender: number of the sender, below 2^32.
        payload: the codec's bytes.
    """

    kind: int
    codec_id: int
    layout_digest: int
    round: int
    sender: int
    payload: bytes

    def pack(self) -> bytes:
        """Return header and payload as bytes.

        Raises:
            ValueError: if a field does not fit the header.
        """
        try:
            head = _BEFORE_DIGEST.pack(
                MAGIC,
                VERSION,
                self.kind,
                self.codec_id,
                self.layout_digest,
                self.round,
                self.sender,
                len(self.payload),
            )
        except struct.error as error:
            raise ValueError(f"frame field out of range in {self._head()}: {error}") from error
        return b"".join((head, _digest(head, memoryview(self.payload)), self.payload))

    @staticmethod
    def unpack(
        data: bytes,
        *,
        kind: int | None = None,
        codec_id: int | None = None,
        layout_digest: int | None = None,
        round: int | None = None,
        sender: int | None = None,
    ) -> "Frame":
        """Return the frame in `data`, after comparing it with each keyword given.

        Raises:
            ValueError: if the data is not a complete frame of this version, is damaged, has extra
                bytes, or differs from an expected value; the message names both values.
        """
        view = memoryview(data).cast("B")
        if len(view) < HEADER_BYTES:
            raise ValueError(f"frame has {len(view)} bytes, expected at least {HEADER_BYTES}")
        magic, version, *fields, length, digest = _HEADER.unpack(view[:HEADER_BYTES])
        _expect("magic", magic, MAGIC)
        _expect("version", version, VERSION)
        _expect("payload length", length, len(view) - HEADER_BYTES)
        payload = view[HEADER_BYTES:]
        found = digest.to_bytes(8, "little")
        _expect("digest", found.hex(), _digest(view[: _BEFORE_DIGEST.size], payload).hex())
        names = ("kind", "codec id", "layout digest", "round", "sender")
        wanted = (kind, codec_id, layout_digest, round, sender)
        for name, value, want in zip(names, fields, wanted, strict=True):
            if want is not None:
                _expect(name, value, want)
        found_kind, found_codec, found_layout, found_round, found_sender = fields
        return Frame(
            found_kind, found_codec, found_layout, found_round, found_sender, bytes(payload)
        )

    @staticmethod
    def peek(data: bytes) -> tuple[int, int]:
        """Return kind and codec id from a header, unchecked; zeros if there is no whole header."""
        if len(data) < HEADER_BYTES:
            return 0, 0
        _, _, kind, codec_id, *_ = _HEADER.unpack_from(data)
        return kind, codec_id

    def _head(self) -> str:
        return (
            f"kind={self.kind}, codec_id={self.codec_id}, layout_digest={self.layout_digest}, "
            f"round={self.round}, sender={self.sender}"
        )


def _expect(name: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"frame {name} is {found!r}, expected {expected!r}")


def _digest(head: bytes | memoryview, payload: memoryview) -> bytes:
    """Return xxh3_64 over the header with a digest of zero and the payload, little-endian."""
    state = xxhash.xxh3_64(head)
    state.update(b"\0" * 8)
    state.update(payload)
    return state.intdigest().to_bytes(8, "little")
