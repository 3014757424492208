"""Local steps on each client, the mean of their deltas on the server: FedAvg and its kin."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.federated.algorithm import Algorithm, ClientMemory, ClientTurn, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers import server_optimizers
from fedbytes.federated.optimizers.local_optimizers import LocalOptimizer, make_local_optimizer
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.plugins.defense import LossOf
from fedbytes.federated.side_by_side.local_plan import Correct as Correct
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.federated.side_by_side.local_steps import Lane, step_side_by_side
from fedbytes.federated.trainable import Stackable, Steppable, Trainable, scratch_of
from fedbytes.plugin_fields import added_field, bounded

BeforeStep = Callable[[int], None]
_OF_ADAPTIVE = ("beta1", "beta2", "tau", "initial_accumulator")


@dataclass(frozen=True)
class Averaging(Algorithm):
    """FedAvg as a base class, for algorithms that change a part of it (McMahan et al. 2017).

    A client's optimiser starts anew each round.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"local_steps": 3, "batch_size": 8, "learning_rate": 0.01},
    )
    takes_local_steps: ClassVar[bool] = True
    sgd_rate: ClassVar[float] = 1.0
    """`server_learning_rate` of the server's SGD where none is given."""

    local_steps: int | None = bounded(None, least=1)
    """Optimiser steps a client takes in a round; give this or `local_epochs`."""
    local_epochs: int | None = bounded(None, least=1)
    """Passes over the client's own examples in a round."""
    batch_size: int = bounded(16, least=1)
    optimizer: LocalOptimizer = "adamw"
    learning_rate: float = bounded(2e-3, above=0)
    weight_decay: float = bounded(0.0, least=0)
    momentum: float = bounded(0.0, least=0, below=1)
    """Momentum of the clients' SGD."""
    max_grad_norm: float | None = bounded(None, above=0, most=math.inf)
    """Clip a step's gradient to this L2 norm; None for never."""
    server_optimizer: Literal["sgd", "nesterov", "adam", "adagrad", "yogi"] = "sgd"
    server_learning_rate: float = bounded(None, above=0)
    """Where it is not given, 1 for SGD (`diloco`: 0.7), and 0.01 for the adaptive optimisers, whose
    steps have that size whatever the size of the deltas."""
    server_momentum: float = bounded(0.0, least=0, below=1)
    """Momentum of the server's SGD, heavy-ball or Nesterov's."""
    beta1: float | None = added_field(bounded(None, least=0, below=1))
    """Decay of the adaptive optimisers' first moment; None for 0.9, and 0 for Adagrad."""
    beta2: float | None = added_field(bounded(None, least=0, below=1))
    """Decay of Adam's and Yogi's second moment; None for 0.99."""
    tau: float | None = added_field(bounded(None, above=0))
    """Degree of adaptivity, added to the root of the second moment; None for 0.001."""
    initial_accumulator: float | None = added_field(bounded(None, least=0))
    """The adaptive optimisers' second moment at first; None for tau²."""

    @property
    def revision(self) -> int:
        """2 for Adagrad without `beta1`, which had Adam's 0.9."""
        return 2 if self.server_optimizer == "adagrad" and self.beta1 is None else 1

    @property
    def is_adaptive(self) -> bool:
        """Whether the server's optimiser adapts each coordinate's step."""
        return self.server_optimizer in server_optimizers.ADAPTIVE

    @property
    def needs_each(self) -> bool:
        """False: the mean is all that is used; a class that needs more says so."""
        return False

    @property
    def moves_by_mean(self) -> bool:
        """Whether the server's optimiser is SGD at rate 1, and nothing else is made of the mean."""
        cls, step = type(self), (self.server_optimizer, self.server_learning_rate)
        own = (cls.server, cls.step, cls.aggregate, cls.combine)
        usual = (Averaging.server, Averaging.step, Averaging.aggregate, Algorithm.combine)
        return own == usual and step == ("sgd", 1.0) and self.server_momentum == 0

    def __post_init__(self) -> None:
        given: Any = self.server_learning_rate
        if given is None:
            rate = server_optimizers.RATE if self.is_adaptive else self.sgd_rate
            object.__setattr__(self, "server_learning_rate", rate)
        super().__post_init__()
        for key in () if self.is_adaptive else _OF_ADAPTIVE:
            if getattr(self, key) is not None:
                raise ValueError(
                    f"{self.name}: {key}={getattr(self, key)} is of an adaptive server optimiser: "
                    "set server_optimizer to one of adam, adagrad, yogi"
                )
        if self.server_optimizer == "adagrad" and self.beta2 is not None:
            raise ValueError(
                f"{self.name}: beta2={self.beta2} decays a second moment, and Adagrad's is the "
                "sum of all squares: leave beta2 out, or set server_optimizer to adam or yogi"
            )
        if (self.local_steps is None) == (self.local_epochs is None):
            raise ValueError(
                "give either local_steps or local_epochs, got "
                f"local_steps={self.local_steps} and local_epochs={self.local_epochs}"
            )

    def __init_subclass__(cls) -> None:
        """Refuse a class whose `client` would pass over what a class above it changes of the steps.

        Raises:
            TypeError: if it defines `client`, and a `plan` that nobody would ask.
        """
        super().__init_subclass__()
        if cls.train is Averaging.train and cls.client is not Averaging.client:
            cls._refuse_unasked_plan()

    @classmethod
    def _refuse_unasked_plan(cls) -> None:
        if cls.plan is not Averaging.plan:
            raise TypeError(
                f"algorithm {cls.__name__}: local steps are those of {cls.plan.__qualname__}, "
                "which a `client` passes over: change what it returns in a `plan` that calls "
                "super().plan, or derive from FedAvg"
            )

    def check(self, model: Trainable) -> None:
        """Check the model, and that its device can do the clients' optimiser."""
        super().check(model)
        self._local_optimizer(model)

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Return where a client's local steps begin and what changes them: nothing, in FedAvg.

        Args:
            context: of the client.
            start: what it was sent.
            indices: its examples.
            memory: what it keeps.
        """
        return LocalPlan(start, memory)

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take the local steps of the client's plan; a class with a `client` of its own asks it."""
        if type(self).client is not Averaging.client:
            return self.client(context.model, start, indices, memory, rng)
        plan = self.plan(context, start, indices, memory)
        trained = self.local(
            *(context.model, plan.start, indices, plan.memory, rng), correct=plan.correct
        )
        return plan.finish(trained)

    @property
    def takes_plain_steps(self) -> bool:
        """Whether clients take their steps as FedAvg's do, however a `plan` corrects them."""
        cls = type(self)
        plain = (Averaging.train, Averaging.client, Averaging.local)
        return (cls.train, cls.client, cls.local) == plain

    @property
    def one_at_a_time(self) -> str:
        """Why clients cannot take their steps side by side: they take them in a way of its own."""
        if not self.takes_plain_steps:
            return f"algorithm {self.name!r} takes clients' steps in a way of its own"
        if self.optimizer == "paged_adamw8bit":
            return f"optimizer {self.optimizer!r} keeps the pages of one client's vector"
        return ""

    def train_many(self, turns: Sequence[ClientTurn]) -> list[Trained]:
        """Take the clients' local steps side by side.

        Raises:
            ValueError: if the model cannot.
        """
        model: Any = turns[0].context.model
        lanes = [
            Lane(
                self.plan(turn.context, turn.start, turn.indices, turn.memory),
                turn.indices,
                self.steps(len(turn.indices)),
                turn.rng,
            )
            for turn in turns
        ]
        stackable: Stackable = model
        return step_side_by_side(
            stackable, lanes, self.batch_size, self._optimizer_of, self.max_grad_norm
        )

    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take local steps from `start`; the delta is where they end minus where they began.

        Raises:
            TypeError: if a `plan` changes them, which only `train` asks.
        """
        self._refuse_unasked_plan()
        return self.local(model, start, indices, memory, rng)

    def local(
        self,
        model: Steppable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
        *,
        loss: LossOf | None = None,
        correct: Correct | None = None,
        before_step: BeforeStep | None = None,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> Trained:
        """Take the local steps; what derived algorithms change of them comes in.

        Args:
            model: what is trained.
            start: where from [numel].
            indices: the client's examples.
            memory: handed on as it is.
            rng: orders the batches.
            loss: of a batch, instead of `model.loss`.
            correct: changes the gradient in place before it is clipped; called with the trained
                vector and its gradient, both [numel] on the model's device.
            before_step: called with the number of each local step, from 0, before its loss is
                taken; it may change `model.flat` in place.
            optimizer: of `model.flat`, instead of a new one.
        """
        model.set_state(start)
        flat = model.flat
        loss = loss or model.loss
        optimizer = optimizer or self._local_optimizer(model)
        losses = []
        batches = islice(model.batches(indices, self.batch_size, rng), self.steps(len(indices)))
        for step, batch in enumerate(batches):
            if before_step is not None:
                before_step(step)
            value = loss(batch)
            value.backward()  # type: ignore[no-untyped-call]
            if correct is not None:
                with torch.no_grad():
                    assert flat.grad is not None
                    correct(flat, flat.grad)
            if self.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_([flat], self.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)  # the gradient's parts are views into one
            losses.append(value.detach())
        delta = flat.detach().to("cpu", torch.float32) - start.to("cpu")
        return Trained(delta, float(torch.stack(losses).mean()), memory)

    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Aggregate the deltas and let the server's optimiser make the update."""
        return self.step(self.aggregate(uploads), state)

    def step(self, mean: Tensor, state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Return the update that the server's optimiser makes of the mean, and its next state."""
        rate, name = self.server_learning_rate, self.server_optimizer
        if not self.is_adaptive:
            move = server_optimizers.nesterov if name == "nesterov" else server_optimizers.sgd
            return move(mean, state, learning_rate=rate, momentum=self.server_momentum)
        usual = 0.0 if name == "adagrad" else server_optimizers.BETA1
        return server_optimizers.adaptive(
            mean,
            state,
            self.accumulate,
            learning_rate=rate,
            beta1=usual if self.beta1 is None else self.beta1,
            tau=server_optimizers.TAU if self.tau is None else self.tau,
            initial=self.initial_accumulator,
        )

    def accumulate(self, second: Tensor, square: Tensor) -> Tensor:
        """Return an adaptive optimiser's next second moment, from the mean's square `[numel]`."""
        if self.server_optimizer == "adagrad":
            return server_optimizers.adagrad(second, square)
        rule = server_optimizers.yogi if self.server_optimizer == "yogi" else server_optimizers.adam
        return rule(second, square, server_optimizers.BETA2 if self.beta2 is None else self.beta2)

    def aggregate(self, uploads: list[Upload]) -> Tensor:
        """Return what the clients say together `[numel]`: their mean, weighted by examples."""
        return weighted_mean(uploads)

    def steps(self, examples: int) -> int:
        """Return how many local steps a client with so many examples takes in a round."""
        if self.local_steps is not None:
            return self.local_steps
        assert self.local_epochs is not None
        return self.local_epochs * -(-examples // self.batch_size)

    def _local_optimizer(self, model: Steppable) -> torch.optim.Optimizer:
        return self._optimizer_of([model.flat], scratch_of(model))

    def _optimizer_of(
        self, vectors: Sequence[nn.Parameter], scratch: dict[str, Any] | None = None
    ) -> torch.optim.Optimizer:
        return make_local_optimizer(
            *(self.optimizer, vectors, self.learning_rate, self.momentum, self.weight_decay),
            scratch=scratch,
        )


def weighted_mean(uploads: list[Upload]) -> Tensor:
    """Return the mean delta `[numel]`, each client weighted by its number of examples."""
    total = sum(upload.examples for upload in uploads)
    mean = torch.zeros_like(uploads[0].delta)
    for upload in uploads:
        mean.add_(upload.delta, alpha=upload.examples / total)
    return mean


def equal_mean(uploads: list[Upload]) -> Tensor:
    """Return the mean delta `[numel]`, each client weighted alike."""
    return torch.stack([upload.delta for upload in uploads]).mean(0)
