"""What an algorithm is: pure functions over explicit state, for the client and for the server."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fedbytes.federated.hooks import Upload
from fedbytes.federated.model import Trainable
from fedbytes.federated.server_optimizers import ServerState
from fedbytes.registry import Registry

ClientMemory = dict[str, Tensor]
"""What a client keeps between its rounds, by name; checkpointed with the run."""


@dataclass(frozen=True)
class Trained:
    """What local training gives: the delta `[numel]`, the mean loss, and the client's memory."""

    delta: Tensor
    loss: float
    memory: ClientMemory = field(default_factory=dict)


class Algorithm(ABC):
    """A federated algorithm; its fields are its configuration.

    Both methods are pure: everything they need comes in, everything they change goes out.
    """

    name: ClassVar[str]

    @abstractmethod
    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train from the vector `start` on the examples at `indices`; `rng` orders the batches."""

    @abstractmethod
    def server(self, uploads: list[Upload], state: ServerState) -> tuple[Tensor, ServerState]:
        """Turn what the clients sent into the global update `[numel]` and the next state."""


ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm",
    Algorithm,  # type: ignore[type-abstract]
    "fedbytes.federated.algorithms",
)


def make_algorithm(spec: str | Mapping[str, Any] | Algorithm, **fields: Any) -> Algorithm:
    """Build an algorithm from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return ALGORITHMS.make(spec, **fields)
