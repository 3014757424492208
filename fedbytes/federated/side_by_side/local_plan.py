"""What an algorithm makes of a client's local steps: where they begin, and what changes them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from fedbytes.federated.algorithm import ClientMemory, Trained

Correct = Callable[[Tensor, Tensor], None]
"""Changes a step's gradient in place, given the trained vector and its gradient, both [numel]."""


def _as_it_is(trained: Trained) -> Trained:
    return trained


@dataclass(frozen=True)
class LocalPlan:
    """The local steps of a client in a round, whichever way they are taken.

    Attributes:
        start: where they begin [numel].
        memory: handed on with what they give.
        correct: changes each step's gradient before it is clipped.
        finish: makes the round's outcome of what the steps give.
    """

    start: Tensor
    memory: ClientMemory = field(default_factory=dict)
    correct: Correct | None = None
    finish: Callable[[Trained], Trained] = _as_it_is
