"""The base class of defences: one changes what the server aggregates, or what clients minimise."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.stage_context import PluginState, StageContext
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

LossOf = Callable[[Any], Tensor]
"""The loss of a batch, a scalar with a graph."""


@dataclass(frozen=True)
class Defense(Plugin):
    """A defence; its fields are its configuration.

    A derived class overrides the stages that it works in. All are pure. Defences of a run are
    applied in their order.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    needs_each: ClassVar[bool] = True
    """Whether `uploads` needs each client's delta by itself; a sum is an upload of client -1."""
    one_layout: ClassVar[bool] = True
    """Whether `uploads` needs the deltas of a round to be of one layout."""
    permutation_invariant: ClassVar[bool] = True
    """Whether the order of the uploads does not matter, but for rounding."""
    least_clients: ClassVar[int] = 3
    """Of how few clients a round's uploads still say what an outlier is."""
    perturbs_inputs: ClassVar[bool] = False
    """Whether `loss` needs a model whose inputs can be shifted, and the gradient of its loss."""
    by_coordinate: ClassVar[bool] = False
    """Whether `uploads` judges each number by itself, so that a number not sent votes for zero."""

    server_examples: ClassVar[bool] = False
    """Whether it trains on the server's own examples, and so needs a task that gives it some."""

    @property
    def remembers(self) -> bool:
        """Whether `uploads` compares deltas with those of earlier rounds, which it keeps."""
        return False

    @property
    def perturbs_embeddings(self) -> bool:
        """Whether those inputs are embeddings, so that all layers of a model run."""
        return self.perturbs_inputs

    def start(self, context: StageContext) -> Tensor:
        """Return what the server begins with, before it sends anything.

        Args:
            context: the server's, of round 0; `held` is the initial vector, or what the defence
                before this one made of it.
        """
        return context.held

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Return what the algorithm aggregates instead of what the server decoded.

        Args:
            uploads: what each client sent, or what the defence before this one made of it.
            context: the server's.
            state: what the defence keeps.
        """
        return uploads, state

    def loss(self, loss: LossOf, context: StageContext) -> LossOf:
        """Return what a client minimises instead of `loss`.

        Args:
            loss: of the model, or what the defence before this one made of it.
            context: of the client, which has the model; `held` is what the client was sent.
        """
        return loss

    def refuses(self, clients: int) -> str | None:
        """Return why it cannot work on the uploads of so few clients, or None: one line."""
        if clients >= self.least_clients:
            return None
        return (
            f"needs at least {self.least_clients} clients a round, got {clients}: "
            "raise clients_per_round"
        )

    def leaves(self, clients: int) -> int:
        """Return of how many uploads the next defence is given, of those of so many clients."""
        return clients

    def weighs_alike(self, clients: int) -> bool:
        """Return whether those it keeps of so many clients count alike, whatever they send."""
        return True

    def tolerates(self, clients: int) -> int | None:
        """Return up to how many attackers among so many clients it is made for.

        None where it is made for no number of them, such as a bound on what each can do.
        """
        return None

    @property
    def stages(self) -> frozenset[str]:
        """Which of `start`, `uploads` and `loss` the defence has."""
        own = type(self)
        return frozenset(
            stage
            for stage in ("start", "uploads", "loss")
            if getattr(own, stage) is not getattr(Defense, stage)
        )


def cap_claims(uploads: Sequence[Upload], most: float = 1.0) -> list[Upload]:
    """Return uploads none of which counts for more than `most` times the median client.

    A client says itself how many examples it has, and its weight in the mean follows: without a
    cap, one that says 10^9 is the mean, however short its delta is.
    """
    cap = max(1, int(most * statistics.median_low(upload.examples for upload in uploads)))
    return [replace(upload, examples=min(upload.examples, cap)) for upload in uploads]


DEFENSES: Registry[Defense] = Registry(
    "defense",
    Defense,
    "fedbytes.defenses",
    contract="fedbytes.federated.testing.defense_contract:check_defense",
)


def make_defense(spec: str | Mapping[str, Any] | Defense, **fields: Any) -> Defense:
    """Build a defence from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return DEFENSES.make(spec, **fields)
