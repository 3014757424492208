"""Models small enough to check an algorithm on in seconds, built offline and always the same."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.compression.layout import Layout
from fedbytes.data.task import Kind
from fedbytes.federated.trainable import Trainable
from fedbytes.models.shifted_embeddings import Shift
from fedbytes.streams import stream

CLASSES, FEATURES, EXAMPLES = 3, 300, 240
LORA = {"name": "lora", "rank": 2}
TEXT_MODELS: tuple[dict[str, Any], ...] = (
    {"model": "tiny-bert", "adapter": LORA, "kind": "classification"},
    {"model": "tiny-llama", "adapter": LORA, "kind": "causal-lm"},
    {"model": "tiny-llama", "adapter": LORA, "kind": "classification"},
)


class TinyRegression:
    """Softmax regression on Gaussian features, `Trainable` to the round."""

    def __init__(self, seed: int = 0) -> None:
        rng = stream(seed, "test data")
        truth = rng.normal(size=(FEATURES, CLASSES))
        x = rng.normal(size=(EXAMPLES, FEATURES))
        self.x = torch.tensor(x, dtype=torch.float32)
        self.y = torch.tensor((x @ truth).argmax(1))
        self.scratch: dict[str, Any] = {}
        self._shifts: list[Shift] = []
        self.layout = Layout({"weight": (CLASSES, FEATURES), "bias": (CLASSES,)})
        self.flat = nn.Parameter(torch.zeros(self.layout.numel))
        self.flat.grad = torch.zeros_like(self.flat)

    def draw_initial(self, seed: int) -> Tensor:
        """Return Gaussian weights."""
        rng = stream(seed, "initial adapter")
        return torch.from_numpy(rng.normal(size=self.layout.numel).astype(np.float32))

    def set_state(self, state: Tensor) -> None:
        """Load a vector."""
        with torch.no_grad():
            self.flat.copy_(state)

    def logits(self, indices: Tensor) -> Tensor:
        """Return class scores [batch, classes]."""
        weight, bias = self.flat[:-CLASSES], self.flat[-CLASSES:]
        inputs = self.x[indices]
        for shift in self._shifts:
            inputs = shift(inputs, torch.ones(len(inputs)))
        return inputs @ weight.view(CLASSES, FEATURES).T + bias

    def loss(self, batch: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return nn.functional.cross_entropy(self.logits(batch), self.y[batch])

    def predictions(self, batch: Tensor) -> Tensor:
        """Return log-probabilities [batch, classes]."""
        return nn.functional.log_softmax(self.logits(batch), dim=-1)

    @contextmanager
    def shifted_inputs(self, shift: Shift, states: bool = False) -> Iterator[None]:
        """Read shifted features [batch, features], within a block; it keeps no states."""
        self._shifts.append(shift)
        try:
            yield
        finally:
            self._shifts.remove(shift)

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[Tensor]:
        """Yield shuffled batches for ever."""
        while True:
            order = rng.permutation(indices)
            for i in range(0, len(order), batch_size):
                yield torch.from_numpy(order[i : i + batch_size])

    def accuracy(self) -> float:
        """Return the share of all examples whose class is found."""
        with torch.no_grad():
            return float((self.logits(torch.arange(EXAMPLES)).argmax(1) == self.y).float().mean())


def text_model(model: str, adapter: Any, kind: Kind = "classification") -> Trainable:
    """Return a tiny transformer on 40 texts of three colours, on the CPU.

    Args:
        model: `tiny-bert` or `tiny-llama`.
        adapter: name, or `{"name": …, **fields}`.
        kind: `classification` or `causal-lm`.
    """
    from fedbytes.models.testing.tiny_task import tiny_model_of

    return tiny_model_of(model, adapter, kind)


def tiny_models(wanted: Mapping[str, Any] | None = None) -> Iterator[Callable[[], Trainable]]:
    """Yield makers of tiny models: the one that is `wanted` alone, or each in turn."""
    if wanted is None:
        yield TinyRegression
    for fields in (wanted,) if wanted else TEXT_MODELS:
        yield lambda fields=fields: text_model(**fields)  # type: ignore[misc]


def examples_of(model: Trainable) -> int:
    """Return how many training examples a tiny model has."""
    return EXAMPLES if isinstance(model, TinyRegression) else len(model.task.train)  # type: ignore[attr-defined]
