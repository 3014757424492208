"""The interface of a model that the round trains: one flat vector, and batches to train it on."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from fedbytes.compression.layout import Layout
from fedbytes.models.shifted_embeddings import Shift


class Steppable(Protocol):
    """The interface that local steps need: a vector that is trained, and its loss on batches."""

    @property
    def flat(self) -> nn.Parameter:
        """The trained vector, float32 `[numel]`; `flat.grad` collects its gradient."""

    def set_state(self, state: Tensor) -> None:
        """Load a vector into the model."""

    def loss(self, batch: Any) -> Tensor:
        """Return the mean training loss of a batch, a scalar with a graph."""

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[Any]:
        """Yield shuffled batches of the training examples at `indices`, epoch after epoch."""


class Trainable(Steppable, Protocol):
    """A model whose trained parameters are views into one flat float32 vector.

    `fedbytes.models.build_model` makes one from a Hugging Face model and an adapter; anything
    else with these members can be federated just as well. A member `scratch: dict[str, Any]` is
    optional: see `scratch_of`.
    """

    @property
    def layout(self) -> Layout:
        """Names and shapes of the trained tensors, in the order of the vector."""

    def draw_initial(self, seed: int) -> Tensor:
        """Return the initial vector that `seed` stands for; the same on both ends."""


class StackedModel(Protocol):
    """A model in which the vectors of several clients stand side by side."""

    @property
    def vectors(self) -> Sequence[nn.Parameter]:
        """Each client's vector, float32 `[numel]`, and its gradient, a row of `gradients`."""

    @property
    def gradients(self) -> Tensor:
        """All clients' gradients `[clients, numel]`."""

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[Any]:
        """Yield the batches that a model of one client yields, to be given to `losses`."""

    def losses(self, batches: Sequence[Any]) -> Tensor:
        """Return the mean loss of a batch of each of the first clients `[len(batches)]`."""

    def backward(self, losses: Tensor) -> None:
        """Set each client's gradient to that of its own loss, of what `losses` returned last."""


@runtime_checkable
class Stackable(Trainable, Protocol):
    """A model that can train several clients side by side."""

    @property
    def one_at_a_time(self) -> str:
        """Why it cannot after all; empty where it can."""

    def side_by_side(self, starts: Tensor) -> AbstractContextManager[StackedModel]:
        """Have clients' vectors `[clients, numel]` in the model's place within a block."""


@runtime_checkable
class Featured(Trainable, Protocol):
    """A classifier whose loss can be had in two steps, the features below its head in between."""

    @property
    def trains_features(self) -> bool:
        """Whether there are features, and what is trained changes them."""

    def features(self, batch: Any) -> Tensor:
        """Return one vector an example, float32 `[batch, width]`, with a graph."""

    def loss_of(self, features: Tensor, batch: Any) -> Tensor:
        """Return the mean loss that the head makes of features."""


@runtime_checkable
class Perturbable(Trainable, Protocol):
    """A model whose inputs can be shifted: of a text, the embeddings of its tokens."""

    def shifted_inputs(self, shift: Shift, states: bool = False) -> AbstractContextManager[None]:
        """Have the model read `shift(inputs, mask)` in place of its inputs, within a block.

        Inputs are `[batch, time, width]`, or `[batch, width]` of a model without texts; the mask
        `[batch, time]` or `[batch]` is 0 where they are padding. With `states` they are those of
        the lowest trained layer, where what comes before it is computed once.
        """

    def predictions(self, batch: Any) -> Tensor:
        """Return log-probabilities `[predictions, classes]`, with a graph."""


def scratch_of(model: object) -> dict[str, Any]:
    """Return a model's `scratch` dictionary; an empty one that nobody keeps if it has none.

    It is a cache: nothing in it may change a result. A key that is missing is computed again, and
    checkpoints leave it out. Prefix keys with the module that owns them.
    """
    held: dict[str, Any] = getattr(model, "scratch", {})
    return held
