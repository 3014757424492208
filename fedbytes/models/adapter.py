"""What of a model is trained and sent: the contract and the registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from fedbytes.data.tokens.token_cache import Tokenizer
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

Initial = Callable[[np.random.Generator, Tensor], Tensor]
"""Returns a tensor's initial value, given a random stream of its own and the present value."""


class JointInitial(ABC):
    """Draws several tensors whose initial values depend on each other.

    An adapter maps the names of all these tensors to the same object.
    """

    @abstractmethod
    def draw(
        self, rngs: Sequence[np.random.Generator], tensors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the initial values of all its tensors, in the order in which they are named.

        Args:
            rngs: a random stream per tensor.
            tensors: their present values.
        """


AnyInitial = Initial | JointInitial


@dataclass(frozen=True)
class Adapter(Plugin, ABC):
    """A choice of trained tensors; a frozen dataclass registered by name."""

    @abstractmethod
    def attach(self, backbone: nn.Module) -> Mapping[str, AnyInitial]:
        """Prepare a model that is nobody else's, and say what of it is trained.

        Parameters may be added or marked; those of the base are shared and must not be written.

        Args:
            backbone: a shared copy of the base model.

        Returns:
            name of each trained parameter -> how its initial value is drawn.

        Raises:
            ValueError: if the model has nothing the adapter can attach to.
        """

    def read(self, tokenizer: Tokenizer) -> "Adapter":  # noqa: ARG002
        """Return the adapter with the texts in its configuration as the model's tokens."""
        return self

    @property
    def positions(self) -> int:
        """How many of the model's positions it takes, in front of every text."""
        return 0

    def trains_factors(self) -> bool:
        """Return whether layers may have LoRA factors that are both trained.

        What LoRA's factors are aggregated by refuses an adapter without, before a model is loaded.
        """
        return False

    def trains_words(self) -> bool:
        """Return whether what it trains are tokens of the vocabulary, which have no gradient.

        An algorithm that does not search among words refuses them.
        """
        return False

    def trains_below_head(self) -> bool:
        """Return whether it trains anything of the base, or beside it, and not the head alone."""
        return True

    def frozen(self, backbone: nn.Module) -> Mapping[str, AnyInitial]:  # noqa: ARG002
        """Return the parameters and buffers, added by `attach`, that are drawn and never trained.

        They are drawn from the run's seed, which both ends have, so they are not sent.

        Args:
            backbone: the model after `attach`.
        """
        return {}


ADAPTERS: Registry[Adapter] = Registry(
    "adapter",
    Adapter,  # type: ignore[type-abstract]
    "fedbytes.models.adapters",
    "fedbytes.models.testing.adapter_contract:check_adapter",
)


def make_adapter(spec: str | Mapping[str, Any] | Adapter, **fields: Any) -> Adapter:
    """Build an adapter from a name and fields, or from `{"name": …, **fields}`.

    Raises:
        ValueError: for an unknown name, a misspelt field, or a value out of range.
    """
    return ADAPTERS.make(spec, **fields)
