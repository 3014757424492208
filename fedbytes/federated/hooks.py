"""The two points of the round where privacy, attacks and defences hang."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

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
    """A client's message as the server decoded it: delta `[numel]` and weight in the mean."""

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

    @property
    def names(self) -> dict[str, list[str]]:
        """The qualified names of the hooks, `module:function`, at each point that has any.

        Raises:
            ValueError: for a hook that no name stands for: a lambda, a local function, a method,
                or a function with arguments bound to it.
        """
        points = {"after_client": self.after_client, "before_aggregate": self.before_aggregate}
        return {point: [_name(hook) for hook in hooks] for point, hooks in points.items() if hooks}


def _name(hook: Any) -> str:
    """Return `module:function` of a hook that is found by that name."""
    module, name = getattr(hook, "__module__", ""), getattr(hook, "__qualname__", "")
    if not name or getattr(sys.modules.get(module), name, None) is not hook:
        raise ValueError(
            f"hook {name or repr(hook)} has no name that a run can be known by: define it with def "
            "at the top of a module, or make it a registered plug-in "
            "(fedbytes docs add-an-attack-or-defense)"
        )
    return f"{module}:{name}"
