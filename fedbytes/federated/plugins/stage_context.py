"""Where in a run a plug-in is called, and what it may know there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Shared
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.context import RoundContext
from fedbytes.federated.plugins.audit_truth import AuditTruth
from fedbytes.streams import stream

PluginState = dict[str, Any]
"""State of a plug-in between its calls: tensors and plain values, checkpointed with the run."""


Tune = Callable[[Tensor, int, int, float | None], Tensor]
"""Trains from a vector on so many examples for so many steps at a rate, and returns the delta."""


@dataclass(frozen=True)
class Wire:
    """What a client knows of its uplink: all that both ends of a message share.

    Attributes:
        shared: what both ends know of a client's message, by client.
        arrives: what the server makes of a delta [numel] that a client hands to the codec by
            itself, without its error feedback and momentum.
    """

    shared: Callable[[int], Shared]
    arrives: Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class StageContext(RoundContext):
    """A round's context, what is held in it, and the plug-in's own randomness.

    Attributes:
        held: what every client holds that has all updates [synced_layout(model).numel].
        stage: the plug-in and its place in the configuration, such as `attack 0 sign_flip`; its
            randomness is drawn from a stream of that name, which nobody else opens.
        wire: what attackers know of the uplink; None for plug-ins of other kinds.
        trusted: trains as a client does, from `held`, on so many rows that the server trusts, the
            same ones in every round, and returns the delta; None for all but defences.
        moved: the change of `held` since the client trained last [numel], which is the last global
            update where it takes part in every round; None at its first, and for all but attacks
            on training.
        root: the batch of trusted examples that the server sent, for cleaners that asked for some.
        tune: trains as a client does, from a vector, on so many of the server's own examples, the
            same ones in every round, for so many steps, and returns the delta; likewise. The last
            argument is a learning rate, None for the clients'.
        algorithm: by which clients train, which both ends know; for audits.
        truth: whose texts are whose, for audits alone: they score by it what they found.
        rehearse: trains as a client does, from `held`, on some training rows, and returns the
            delta; for audits alone. Another number is another order of batches.
    """

    held: Tensor = field(kw_only=True)
    stage: str = field(kw_only=True)
    wire: Wire | None = field(default=None, kw_only=True)
    trusted: Callable[[int], Tensor] | None = field(default=None, kw_only=True)
    moved: Tensor | None = field(default=None, kw_only=True)
    root: Any = field(default=None, kw_only=True)
    tune: Tune | None = field(default=None, kw_only=True)
    algorithm: Algorithm | None = field(default=None, kw_only=True)
    truth: AuditTruth | None = field(default=None, kw_only=True)
    rehearse: Callable[[np.ndarray, int], Tensor] | None = field(default=None, kw_only=True)

    @classmethod
    def of(
        cls, context: RoundContext, held: Tensor, stage: str, wire: Wire | None = None
    ) -> "StageContext":
        """Return what the plug-in `stage` may know in a round."""
        return cls(**vars(context), held=held, stage=stage, wire=wire)

    def rng(self) -> np.random.Generator:
        """Return randomness of this plug-in alone, of the round and of the client, if it has one.

        It is the same when the run is resumed, and no message carries what it is drawn from.
        """
        return stage_rng(self, self.stage)


def stage_rng(context: RoundContext, stage: str) -> np.random.Generator:
    """Return the randomness of a stage in a round, and of the client that the context is of."""
    return stream(context.seed, stage, context.round, context.client + 1)
