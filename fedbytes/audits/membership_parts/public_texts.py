"""Public texts of a run's task, for observers that train models of their own on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np


class PublicTexts:
    """A model whose batches are of the test texts, which nobody trains on; all else is its own."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.split = model.task.test

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def tokens(self, row: int) -> np.ndarray:
        """Return the tokens of a test text."""
        found: np.ndarray = self.split.tokens[self.split.offsets[row] : self.split.offsets[row + 1]]
        return found

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[Any]:
        """Yield shuffled batches of test texts without end."""
        found: Iterator[Any] = self._model.batches(indices, batch_size, rng, split="test")
        return found
