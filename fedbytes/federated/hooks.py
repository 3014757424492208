"""The two points of the round where privacy, attacks and defences hang."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from fedbytes.streams import stream


@dataclass(frozen=True)
class Context:
    """Where in the run a hook is called; `client` is -1 on the server."""

    seed: int
    round: int
    client: int

    def generator(self, purpose: str) -> np.random.Generator:
        """Return this hook's own randomness, the same when the run is resumed."""
        return stream(self.seed, f"hook {purpose}", self.round, self.client + 1)


@dataclass(frozen=True)
class Upload:
    """What the server decoded from one client: its delta `[numel]` and its weight in the mean."""

    client: int
    delta: Tensor
    examples: int

    def with_delta(self, delta: Tensor) -> "Upload":
        """Return the same upload with another delta."""
        return replace(self, delta=delta)


AfterClient = Callable[[Tensor, Context], Tensor]
BeforeAggregate = Callable[[list[Upload], Context], list[Upload]]


@dataclass(frozen=True)
class Hooks:
    """Hooks in the order in which they are applied; the order is the semantics.

    `after_client` sees a client's delta before error feedback and encoding (clip, noise,
    attack). `before_aggregate` sees everything that the server decoded (robust rules).
    """

    after_client: tuple[AfterClient, ...] = ()
    before_aggregate: tuple[BeforeAggregate, ...] = ()
