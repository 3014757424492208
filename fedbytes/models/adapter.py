"""Adapters choose the parameters that are trained and sent: contract and registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

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
KeptForm = Literal["peft", "own", "merged"]
"""How a trained model is written: as peft's files, as fedbytes' own, or as a whole model."""


@dataclass(frozen=True)
class PeftMethod:
    """A method of peft on some modules of a base.

    Attributes:
        method: peft's name of the method, such as `LOHA`.
        options: fields of its configuration class, without the target modules.
        modules: full names of the adapted modules.
    """

    method: str
    options: Mapping[str, Any]
    modules: Sequence[str]


@dataclass(frozen=True)
class Adapter(Plugin, ABC):
    """A choice of trained tensors; a frozen dataclass registered by name."""

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("own",)
    """Forms in which what was trained can be kept: `peft` or `own` beside the base, and `merged`
    where it goes into the base's weights."""
    side_by_side: ClassVar[bool] = False
    """Whether its tensors may be those of several clients, `[clients, *shape]`: then each client's
    apply to its share of the rows, which come one client after the other, as many of each."""

    @abstractmethod
    def attach(self, backbone: nn.Module) -> Mapping[str, AnyInitial]:
        """Prepare a copy of the base and return its trained parameters.

        Parameters may be added; those of the base are shared and must not be written.

        Args:
            backbone: a shared copy of the base model.

        Returns:
            name of each trained parameter -> its initial value.

        Raises:
            ValueError: if the model has nothing the adapter can attach to.
        """

    def read(self, tokenizer: Tokenizer) -> "Adapter":  # noqa: ARG002
        """Return the adapter with the texts in its fields encoded as the model's tokens."""
        return self

    def as_peft(self, backbone: nn.Module) -> PeftMethod:  # noqa: ARG002
        """Return what `attach` attaches in peft's words, where it is kept as `peft`.

        Args:
            backbone: a base to which nothing is attached.
        """
        raise ValueError(f"adapter {self.name!r} has no equivalent in peft")

    @property
    def positions(self) -> int:
        """Number of positions that it takes in front of every text."""
        return 0

    def trains_factors(self) -> bool:
        """Return whether layers may have LoRA factors that are both trained.

        Algorithms that aggregate LoRA factors refuse other adapters before a model is loaded.
        """
        return False

    def trains_words(self) -> bool:
        """Return whether it trains token ids, which have no gradient.

        Only algorithms that search among tokens accept such an adapter.
        """
        return False

    def trains_below_head(self) -> bool:
        """Return whether it trains more than the classification head."""
        return True

    def frozen(self, backbone: nn.Module) -> Mapping[str, AnyInitial]:  # noqa: ARG002
        """Return the parameters and buffers, added by `attach`, that are drawn and never trained.

        They are drawn from the run's seed, which both ends know, so they are not sent.

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
