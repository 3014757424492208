"""The base class of audits: an audit looks at the bytes and at the model, and changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from torch import Tensor

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Layout, Shared
from fedbytes.data.task import Kind
from fedbytes.federated.plugins.stage_context import PluginState, StageContext
from fedbytes.federated.protocol.link import Link
from fedbytes.federated.protocol.messages import KIND_NAMES, open_vector
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

Reads = Literal["model", "vectors", "deltas"]
"""What an audit reads: a model as it is, what clients hold as the vector that is trained, or each
client's delta as a change of that vector."""
Row = dict[str, Any]
"""A finding, plain values by column; the audit's name and the round are added to it."""


@dataclass(frozen=True)
class Heard:
    """A client's message as it reached the server: what anyone on the line could have.

    Attributes:
        client: who sent it.
        data: the bytes.
        shared: what both ends know of it.
        uplink: the link that it came over.
        senders: how many clients' deltas it is the mean of: one, but for a sum, which has no bytes.
    """

    client: int
    data: bytes
    shared: Shared
    uplink: Link
    senders: int = 1

    @cached_property
    def frame(self) -> Frame:
        """The message, opened.

        Raises:
            ValueError: if it is damaged.
        """
        return Frame.unpack(self.data)

    @property
    def kind(self) -> str:
        """`delta`, `metrics`, `announcement` or `exchange`; `malformed` if it is damaged."""
        try:
            return KIND_NAMES.get(self.frame.kind, "malformed")
        except ValueError:
            return "malformed"

    def decode(self) -> Tensor:
        """Return what the codec makes of a delta [numel]; a difference where the link is EF21.

        Raises:
            ValueError: if it does not decode.
        """
        return open_vector(self.frame, self.uplink.codec, self.shared)


@dataclass(frozen=True)
class AuditedRun:
    """What an audit may know of a run before it begins.

    Attributes:
        kind: of the task.
        has_prompts: whether its texts are prompts with answers.
        rounds: how many the run has.
        evaluate_every: rounds between evaluations.
    """

    kind: Kind
    has_prompts: bool
    rounds: int
    evaluate_every: int

    def evaluates(self, round_: int) -> bool:
        """Return whether the model is evaluated, and so examined, after a round."""
        return 1 <= round_ <= self.rounds and (
            round_ % self.evaluate_every == 0 or round_ == self.rounds
        )

    def misses(self, rounds: Sequence[int]) -> str | None:
        """Return why an audit cannot examine the model after some rounds, None where it can."""
        missed = [round_ for round_ in rounds if not self.evaluates(round_)]
        if not missed:
            return None
        return (
            f"rounds has {', '.join(map(str, missed))}, and of the run's {self.rounds} rounds "
            f"each {self.evaluate_every} is evaluated: change rounds or evaluate_every"
        )


@dataclass(frozen=True)
class Audit(Plugin):
    """An audit; its fields are its configuration.

    It hears what clients send and may examine the model after an evaluation, and says what it
    found in rows. A run with audits has the same model and the same bytes as one without.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    needs_texts: ClassVar[bool] = False
    """Whether it examines a model of texts, and no other."""
    example_kind: ClassVar[Kind] = "classification"
    """The kind of task that the contract examines it on, where it needs texts."""
    needs_set_aside: ClassVar[bool] = False
    """Whether it compares with texts of clients that nobody trains on (a run's `set_aside`)."""
    asks_model: ClassVar[bool] = False
    """Whether `hear` asks the model, which is then loaded with what clients held."""
    scores_by_batches: ClassVar[bool] = False
    """Whether what it found in a message is scored by the examples that the client's training
    read, which are then in `context.truth`."""

    def refuses(self, run: AuditedRun) -> str | None:
        """Return why it cannot examine a run, or None: one line, before the run."""
        return None

    @property
    def reads(self) -> Reads:
        """What it takes messages and the model for."""
        return "model"

    def refuses_model(self, model: Trainable, layout: Layout) -> str | None:
        """Return why it finds nothing in messages of a layout, or None: one line, before the run.

        Args:
            model: that clients train.
            layout: of a client's delta, after the first round.
        """
        return None

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return what of a round's findings stands in the results' row of the round, by column.

        Args:
            rows: what `hear` and `examine` of audits of this name found in the round.
        """
        return {}

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Return what a message gives away, and the next state.

        Args:
            heard: the message.
            context: the server's; `held` is what clients held when they trained.
            state: what the audit keeps.
        """
        return [], state

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Return what the model gives away, and the next state; after an evaluation.

        Args:
            context: of the round that has ended; its model holds `held`, the newest state.
            state: what the audit keeps.
        """
        return [], state


AUDITS: Registry[Audit] = Registry(
    "audit",
    Audit,
    "fedbytes.audits",
    contract="fedbytes.federated.testing.audit_contract:check_audit",
)


def make_audit(spec: str | Mapping[str, Any] | Audit, **fields: Any) -> Audit:
    """Build an audit from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return AUDITS.make(spec, **fields)
