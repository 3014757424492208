"""DeMo: every step each worker sends the fast part of its momentum and keeps the rest."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.schedule import Schedule
from fedbytes.federated.optimizers.sender_mean import MeanOver, mean_over_senders
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import added_field, bounded


@ALGORITHMS.register("demo")
@dataclass(frozen=True)
class DeMo(Algorithm):
    """Decoupled momentum (Peng et al. 2024, arXiv 2411.19870).

    A round is one step: a client's change is its negative gradient of one batch. The momentum and
    what is sent of it are the uplink's: with a chain of `dct` and `chunked_topk`,
    `error_feedback: true` and a `decay` that is m = decay m + g; send the largest coefficients of
    m; m -= what was sent. All move by the sign of the mean of what was sent, times
    `learning_rate`. Where nothing is left unsent, it is signSGD on the mean gradient.

    The paper's code cuts matrices into squares: `{name: dct, chunk: 64, square: true}` and
    `{name: chunked_topk, chunk: 4096, k: 32}`. A downlink need keep signs alone: `sign` sends them
    in one bit.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"batch_size": 8, "learning_rate": 0.01},)
    example_uplink: ClassVar[Mapping[str, Any]] = {
        "name": "chain",
        "transforms": [{"name": "dct", "chunk": 64}],
        "codec": {"name": "chunked_topk", "chunk": 64, "k": 8, "bits": 8},
        "error_feedback": True,
        "decay": 0.99,
    }

    learning_rate: float = bounded(1e-3, above=0)
    """Distance that every coordinate moves per step."""
    batch_size: int = bounded(16, least=1)
    """Examples of each client in a step."""
    weight_decay: float = bounded(0.0, least=0)
    """Share of the learning rate by which weights shrink a step."""
    max_grad_norm: float | None = bounded(None, above=0, most=math.inf)
    """Clip a client's gradient to this L2 norm; None for never."""
    warmup_steps: int = bounded(0, least=0)
    """Rounds of linear warm-up."""
    total_steps: int | None = None
    """Rounds of the run, after which a cosine has come down; None for a constant rate."""
    final_share: float = bounded(0.1, least=0, most=1)
    """Share of the learning rate that the cosine leaves."""
    mean_over: MeanOver = added_field("all")
    """Whose mean of a coefficient it is: of `all`, as in the paper's formula, or of its `senders`,
    as in the paper's code."""

    @property
    def needs_each(self) -> bool:
        """Whether the mean is over those who sent a coefficient."""
        return self.mean_over == "senders"

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.schedule

    @property
    def schedule(self) -> Schedule:
        """The learning rate's way through the run."""
        return Schedule(self.warmup_steps, self.total_steps, self.final_share)

    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Return the negative gradient of one batch at `start`."""
        model.set_state(start)
        loss = model.loss(next(model.batches(indices, self.batch_size, rng)))
        loss.backward()  # type: ignore[no-untyped-call]
        assert model.flat.grad is not None
        if self.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_([model.flat], self.max_grad_norm)
        delta = -model.flat.grad.detach().to("cpu", torch.float32, copy=True)
        model.flat.grad.zero_()
        return Trained(delta, float(loss.detach()), memory)

    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Return the mean of what was sent; `apply` takes its signs."""
        return weighted_mean(uploads), state

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the mean of what was sent, over all or over who sent it."""
        if self.mean_over == "all":
            return super().combine(context, held, uploads, state)
        return mean_over_senders(uploads, context.uplink, self.up(context)), state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return what is held, moved by the signs of the update; a zero stays."""
        rate = self.learning_rate * self.schedule.share(context.round - 1)
        return held * (1 - rate * self.weight_decay) + rate * update.sign()

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse an uplink that keeps no momentum, and memories that would be a second one."""
        if not compatibility.up_feedback or compatibility.up_differences:
            return (
                "algorithm 'demo' keeps its momentum in what the uplink has not sent: set "
                "uplink.error_feedback=true and uplink.decay=0.99"
            )
        if compatibility.up_momentum:
            return (
                "algorithm 'demo' has its momentum in the uplink's error feedback: set "
                "uplink.momentum=0 and uplink.decay"
            )
        if compatibility.down_feedback:
            return (
                "algorithm 'demo' moves by signs, which error feedback on the downlink cannot make "
                "up for: set downlink.error_feedback=false"
            )
        if self.mean_over == "senders" and not compatibility.up_tells_senders:
            return (
                "algorithm 'demo' with mean_over=senders needs messages that show what was sent: "
                "set uplink.name=chunked_topk, alone or after one dct, or mean_over=all"
            )
        return super().refuses(compatibility)
