"""One direction of the traffic: a codec, and what the sender keeps around it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor

from fedbytes.compression.codec import CODECS, Codec, codec_spec, make_codec
from fedbytes.compression.error_feedback import Feedback, Memory, SenderState, Sent
from fedbytes.compression.layout import Shared
from fedbytes.compression.residual_guard import ResidualGuard, require_contracting
from fedbytes.labels import short_label
from fedbytes.plugin_fields import stated_fields

_FEEDBACK: dict[Any, Feedback] = {
    False: "none",
    True: "ef14",
    "ef14": "ef14",
    "ef21": "ef21",
    "ef21-pp": "ef21-pp",
}
_BESIDE = ("error_feedback", "momentum", "decay")
NO_MEMORY = Memory()
_MARKS = {"none": "", "ef14": " +EF", "ef21": " +EF21", "ef21-pp": " +EF21-PP"}


@dataclass(frozen=True)
class Link:
    """A codec for one direction, and the sender's memory around it.

    Raises:
        ValueError: if error feedback is asked of a codec that does not contract: the residual
            would grow without bound.
    """

    codec: Codec
    memory: Memory = NO_MEMORY

    def __post_init__(self) -> None:
        if self.memory.feedback != "none":
            require_contracting(self.codec)

    def encode(self, x: Tensor, held: SenderState, shared: Shared) -> Sent:
        """Return the payload for `x` `[numel]` and what the sender keeps for the next one."""
        return self.memory.encode(self.codec, x, held, shared)

    def receive(self, decoded: Tensor, estimate: Tensor | None) -> Tensor:
        """Return the value that a decoded message stands for, by the receiver's last one."""
        return self.memory.receive(decoded, estimate)

    @property
    def estimates(self) -> bool:
        """Whether the receiver has to keep each sender's last value."""
        return self.memory.estimates

    @property
    def averages_all(self) -> bool:
        """Whether the last estimates of those who do not take part count in the mean."""
        return self.memory.feedback == "ef21-pp"

    @property
    def without_memory(self) -> "Link":
        """This link of a sender that adds nothing of earlier messages to the next one.

        Differences to an estimate (EF21) stay differences: the receiver adds it.
        """
        return replace(self, memory=Memory("ef21") if self.estimates else NO_MEMORY)

    @property
    def for_model(self) -> "Link":
        """This link as the downlink: receivers hold a model that what is sent moves.

        EF21 of the model (EF21-P, Gruntkowska et al. 2023) sends what their model lacks, which is
        the newest update plus what earlier messages lost: EF14 of the updates.

        Raises:
            ValueError: for momentum, which is of a client's own updates.
        """
        if self.memory.momentum:
            raise ValueError(
                f"momentum={self.memory.momentum:g} is for clients' updates: give it to uplink "
                "alone; the server's is algorithm.server_momentum"
            )
        if not self.estimates:
            return self
        return replace(self, memory=Memory("ef14"))

    @property
    def spec(self) -> dict[str, Any]:
        """The canonical configuration, defaults included."""
        memory = stated_fields(self.memory)
        feedback = memory.pop("feedback")
        given = {"error_feedback": {"none": False, "ef14": True}.get(feedback, feedback)}
        return codec_spec(self.codec) | given | memory

    @property
    def label(self) -> str:
        """A short name for legends: the codec, its fields not at their default, the memory."""
        momentum = f" momentum={self.memory.momentum:g}" if self.memory.momentum else ""
        decay = f" decay={self.memory.decay:g}" if self.memory.decay != 1 else ""
        return short_label(self.codec) + _MARKS[self.memory.feedback] + momentum + decay


def check_residual(guards: dict[str, dict[str, Any]], key: str, update: Tensor, sent: Sent) -> None:
    """Check that a sender's error feedback stays bounded, where it has any.

    Args:
        guards: the states of the sender's guards, changed in place.
        key: which of the sender's messages (see `Federation.memory_key`).
        update: what was to be sent.
        sent: what was sent.

    Raises:
        DivergedError: if the residual grows without bound.
    """
    if sent.residual is None:
        return
    guard = ResidualGuard(**guards.get(key, {}))
    guard.check(update, sent.residual)
    guards[key] = asdict(guard)


def make_link(spec: str | Mapping[str, Any]) -> Link:
    """Build a link from a codec's specification, with the memory's fields next to its own.

    `error_feedback` is true or `"ef14"`, `"ef21"`, `"ef21-pp"`, or false; `momentum` is in [0, 1);
    `decay`, of what error feedback keeps, in (0, 1].

    Raises:
        ValueError: for an unknown codec or field, or error feedback that cannot work.
    """
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, Mapping):
        raise ValueError(f"a codec is a name or {{name: …, fields}}, got {spec!r}")
    CODECS.check_fields(spec, _BESIDE)
    given = dict(spec)
    feedback = given.pop("error_feedback", False)
    if not isinstance(feedback, bool | str) or feedback not in _FEEDBACK:
        raise ValueError(
            f"error_feedback must be true or false, ef14, ef21 or ef21-pp, got {feedback!r}"
        )
    momentum = _number("momentum", given.pop("momentum", 0.0), "[0, 1)")
    decay = _number("decay", given.pop("decay", 1.0), "(0, 1]")
    return Link(make_codec(given), Memory(_FEEDBACK[feedback], momentum, decay))


def _number(name: str, value: Any, range_: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number in {range_}, got {value!r}")
    return float(value)
