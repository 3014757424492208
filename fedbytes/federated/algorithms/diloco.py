"""DiLoCo: many inner steps whose moments stay with the worker, and an outer Nesterov step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.averaging import Averaging, BeforeStep
from fedbytes.federated.context import RoundContext
from fedbytes.federated.optimizers.local_optimizers import BETA2, make_local_optimizer
from fedbytes.federated.optimizers.optimizer_state import give_moments, take_moments
from fedbytes.federated.optimizers.schedule import Schedule, following
from fedbytes.plugin_fields import added_field, bounded


@ALGORITHMS.register("diloco")
@dataclass(frozen=True)
class DiLoCo(Averaging):
    """Distributed low-communication training (Douillard et al. 2023, arXiv 2311.08105).

    A worker takes H = `local_steps` inner AdamW steps per round; its moments stay with it and are
    neither sent nor reset. The mean of what workers changed is the outer gradient of SGD with
    Nesterov momentum. With `keep_moments=False`, `server_optimizer="sgd"`,
    `server_learning_rate=1` and `server_momentum=0` it is FedAvg; with one inner SGD step as well,
    data-parallel SGD.
    """

    sgd_rate: ClassVar[float] = 0.7

    learning_rate: float = 4e-4
    weight_decay: float = 0.1
    max_grad_norm: float | None = 1.0
    server_optimizer: Literal["sgd", "nesterov", "adam", "adagrad", "yogi"] = "nesterov"
    server_momentum: float = 0.9
    keep_moments: bool = True
    """Whether the inner optimiser continues from the end of the worker's last round."""
    inner_beta2: float = added_field(bounded(BETA2, least=0, below=1))
    """Decay of the inner AdamW's second moment. OpenDiLoCo (arXiv 2407.07852) has 0.95."""
    warmup_steps: int = bounded(0, least=0)
    """Inner steps of linear warm-up, counted over the run."""
    total_steps: int | None = None
    """Inner steps of the run, after which a cosine has come down; None for a constant rate."""
    final_share: float = bounded(0.1, least=0, most=1)
    """Share of the learning rate that the cosine leaves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.schedule
        if self.inner_beta2 != BETA2 and self.optimizer == "sgd":
            raise ValueError(
                f"{self.name}: inner_beta2={self.inner_beta2} is of the inner AdamW: set "
                "optimizer=adamw"
            )
        if self.keep_moments and self.optimizer == "paged_adamw8bit":
            raise ValueError(
                f"{self.name}: moments stay with each worker, so pages cannot hold them: set "
                "optimizer=adamw8bit, or keep_moments=false"
            )

    @property
    def schedule(self) -> Schedule:
        """The inner learning rate's way through the run."""
        return Schedule(self.warmup_steps, self.total_steps, self.final_share)

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take the round's inner steps from `start`, with the moments in `memory`."""
        return self.inner(context, start, indices, memory, rng)

    def inner(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        moments: ClientMemory,
        rng: np.random.Generator,
        before_step: BeforeStep | None = None,
    ) -> Trained:
        """Take the round's inner steps; the memory returned is the moments.

        Args:
            context: the worker's.
            start: where from [numel].
            indices: the worker's examples.
            moments: of its earlier steps.
            rng: orders the batches.
            before_step: see `Averaging.local`.
        """
        flat, optimizer = context.model.flat, self._local_optimizer(context.model)
        if self.keep_moments:
            give_moments(optimizer, flat, moments)
        first = max(context.round - 1, 0) * self.steps(len(indices))  # the server trains in round 0
        with following(optimizer, self.schedule, first):
            trained = self.local(
                *(context.model, start, indices, {}, rng),
                before_step=before_step,
                optimizer=optimizer,
            )
        return replace(trained, memory=take_moments(optimizer, flat) if self.keep_moments else {})

    def _optimizer_of(
        self, vectors: Sequence[nn.Parameter], scratch: dict[str, Any] | None = None
    ) -> torch.optim.Optimizer:
        return make_local_optimizer(
            *(self.optimizer, vectors, self.learning_rate, self.momentum, self.weight_decay),
            scratch=scratch,
            beta2=self.inner_beta2,
        )
