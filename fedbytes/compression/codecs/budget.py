"""A rate controller: the finest setting of a codec whose message fits a budget of bytes."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

from fedbytes.compression.codec import CODECS, DIGEST_BYTES, Codec, Floats, Payload, make_codec
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.plugin_fields import bounded

_STEPS = 256  # settings: 16 an octave, so that neighbours are 4 % apart
_PER_OCTAVE = 16
_TOP = {"bits": 16.0, "density": 1.0}
_HEAD = 1


@CODECS.register("budget")
@dataclass(frozen=True)
class Budget(Codec):
    """Another codec at the highest rate at which its payload has at most `payload_bytes`.

    The codec's `bits` or `density`, if it is a real number, is set to top * 2^(-i / 16), where top
    is 16 bits or density 1. The search is by halving over i, so that about eight encodings make a
    message.

    Wire: i (one byte), then the bytes of the codec with that setting.

    Unbiased, or contracts, where the codec does at its coarsest and finest setting.

    Attributes:
        codec: what is controlled.
        payload_bytes: the most that a payload may have, its digest included; the frame's 40 bytes
            come on top.

    Example:
        >>> codec = make_codec("budget", codec="topk", payload_bytes=24)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (22, [2.971, -1.002, 0.498, 2.015, -0.2525, 0.7487, -2.015, 1.506])
    """

    codec: Codec
    payload_bytes: int = bounded(least=_HEAD + DIGEST_BYTES)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"codec": {"name": "ecsq", "bits": 1.0}, "payload_bytes": 160_000},
        {"codec": {"name": "topk", "bits": 4}, "payload_bytes": 70_000},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _rate_field(self.codec)

    @property
    def unbiased(self) -> bool:
        """Whether the codec is, at both ends of its settings."""
        return all(self._at(i).unbiased for i in self._ends())

    @property
    def contracts(self) -> bool:
        """Whether the codec does, at both ends of its settings."""
        return all(self._at(i).contracts for i in self._ends())

    @property
    def uses_reference(self) -> bool:
        """Whether the codec does."""
        return self.codec.uses_reference

    @property
    def sparse(self) -> bool:
        """Whether the codec is."""
        return self.codec.sparse

    def _ends(self) -> tuple[int, int]:
        return 0, _coarsest(self.codec)

    def _at(self, i: int) -> Codec:
        return _set(self.codec, i)

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        room = self.payload_bytes - DIGEST_BYTES - _HEAD
        low, high = self._ends()  # finest and coarsest; what fits is towards high
        best = self._at(high).encode_body(x, shared)
        if len(best) > room:
            raise ValueError(
                f"budget: {self.codec.name} needs {len(best) + _HEAD + DIGEST_BYTES} bytes for "
                f"{x.size} coordinates at its coarsest, the budget is {self.payload_bytes}; "
                "raise payload_bytes"
            )
        while low < high:
            middle = (low + high) // 2
            body = self._at(middle).encode_body(x, shared)
            if len(body) <= room:
                best, high = body, middle
            else:
                low = middle + 1
        return b"".join((bytes([high]), best))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        i = reader.number("B", "setting", 0, _coarsest(self.codec))
        return self._at(i).decode_body(reader.rest(), shared)


def _octaves(i: int) -> float:
    """Return 2^(-i / 16) rounded to 20 bits, by exact operations alone."""
    whole, part = divmod(i, _PER_OCTAVE)
    root = 1.0
    half = 0.5
    for bit in (8, 4, 2, 1):
        half = half**0.5  # exactly rounded square roots: 2^(-1/2), 2^(-1/4), …
        root *= half if part & bit else 1.0
    return round(root * 2**20) / 2**20 * 0.5**whole


def _rate_field(codec: Codec) -> str:
    """Return the field that sets the codec's rate.

    Raises:
        ValueError: if there is none that is a real number.
    """
    hints = {f.name: str(f.type) for f in fields(codec)}  # type: ignore[arg-type]
    for name in _TOP:
        if "float" in hints.get(name, ""):
            return name
    raise ValueError(
        f"budget: {codec.name} has no rate that can be set at will; use a codec whose bits or "
        "density is a real number, such as ecsq or topk"
    )


def _set(codec: Codec, i: int) -> Codec:
    field = _rate_field(codec)
    return make_codec(codec, **{field: _TOP[field] * _octaves(i)})


@cache
def _coarsest(codec: Codec) -> int:
    """Return the last setting that the codec takes."""
    for i in range(_STEPS - 1, 0, -1):
        try:
            _set(codec, i)
        except ValueError:
            continue
        return i
    return 0
