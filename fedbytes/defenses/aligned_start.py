"""Alignment before the first round: the server trains on its own examples, then sends the model."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fedbytes.federated import DEFENSES, Defense, StageContext
from fedbytes.registry import bounded


@DEFENSES.register("aligned_start")
@dataclass(frozen=True)
class AlignedStart(Defense):
    """Begin with an adapter that the server has trained centrally, on its own examples.

    It trains as the run's clients do, for so many steps, from the initial vector. What comes out is
    the initial state that every client is sent whole: of 15,000 numbers, 60,000 bytes each. The
    examples stay on the server, and no byte is counted for them.

    Attributes:
        examples_used: how many of the server's examples, all that there are if these are fewer.
        steps: optimiser steps.
        learning_rate: of these steps; None for that of the clients.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"steps": 5},
        {"steps": 3, "learning_rate": 0.1},
    )
    server_examples: ClassVar[bool] = True

    examples_used: int = bounded(1000, least=1)
    steps: int = bounded(60, least=1)
    learning_rate: float | None = bounded(None, above=0)

    def start(self, context: StageContext) -> Tensor:
        """Return the initial vector after the server's training."""
        assert context.tune is not None
        held, rate = context.held, self.learning_rate
        return held + context.tune(held, self.examples_used, self.steps, rate)
