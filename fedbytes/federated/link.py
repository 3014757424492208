"""One direction of the traffic: a codec, with or without error feedback around it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from fedbytes.compression.core import Codec, Shared, codec_spec, make_codec
from fedbytes.compression.feedback import encode_with_feedback, require_contracting


@dataclass(frozen=True)
class Link:
    """A codec for one direction; `error_feedback` keeps what it lost for the next message.

    Raises:
        ValueError: if error feedback is asked of a codec that does not contract: the residual
            would grow without bound.
    """

    codec: Codec
    error_feedback: bool = False

    def __post_init__(self) -> None:
        if self.error_feedback:
            require_contracting(self.codec)

    def encode(
        self, x: Tensor, residual: Tensor | None, shared: Shared
    ) -> tuple[bytes, Tensor | None]:
        """Return the payload for `x` `[numel]` and the sender's next residual (None without)."""
        if not self.error_feedback:
            return self.codec.encode(x, shared), None
        data, _, kept = encode_with_feedback(self.codec, x, residual, shared)
        return data, kept

    @property
    def spec(self) -> dict[str, Any]:
        """The canonical configuration, defaults included."""
        return codec_spec(self.codec) | {"error_feedback": self.error_feedback}

    @property
    def label(self) -> str:
        """A short name for legends: the codec and its fields that are not at their default."""
        defaults = {f.name: f.default for f in fields(self.codec)}  # type: ignore[arg-type]
        words = [self.codec.name]
        for key, value in codec_spec(self.codec).items():
            if key != "name" and value != defaults[key]:
                words.append(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}")
        return " ".join(words) + (" +EF" if self.error_feedback else "")


def make_link(spec: str | Mapping[str, Any]) -> Link:
    """Build a link from a codec's specification, with `error_feedback` beside its fields.

    Raises:
        ValueError: for an unknown codec or field, or error feedback that cannot work.
    """
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, Mapping):
        raise ValueError(f"a codec is a name or {{name: …, fields}}, got {spec!r}")
    given = dict(spec)
    feedback = given.pop("error_feedback", False)
    if not isinstance(feedback, bool):
        raise ValueError(f"error_feedback must be true or false, got {feedback!r}")
    return Link(make_codec(given), feedback)
