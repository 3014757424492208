"""The base class of cleaners: before training, a client drops some of its own examples."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import EncodedTask
from fedbytes.federated.plugins.stage_context import PluginState, StageContext
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry


@dataclass(frozen=True)
class Cleaner(Plugin, ABC):
    """A cleaner; its fields are its configuration.

    Every client cleans, also one whose data an attack has poisoned: it does not know.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    uses_model: ClassVar[bool] = True
    """Whether it asks the model that the client was sent, and so needs clients to hold it."""
    reads_texts: ClassVar[bool] = False
    """Whether it needs examples that are texts, and a model of them."""

    @property
    def trusts(self) -> int:
        """How many trusted examples it has the server send to each client; 0 for none."""
        return 0

    @abstractmethod
    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Return the examples to train on, some of `indices`, in every round that it trains in.

        Args:
            indices: the client's examples, int64, or what the cleaner before this one kept.
            context: of the client; its model holds what the client was sent.
            state: what the cleaner keeps on this client.
        """

    def rewrite(self, task: EncodedTask, rows: np.ndarray) -> dict[int, np.ndarray]:
        """Return what a client trains on instead of some of its texts, before the first round.

        Args:
            task: the run's.
            rows: the client's training examples.

        Returns:
            the new tokens, int32, by the example; none for those that stay as they are.
        """
        return {}

    @property
    def rewrites(self) -> bool:
        """Whether it has the stage `rewrite`."""
        return type(self).rewrite is not Cleaner.rewrite


CLEANERS: Registry[Cleaner] = Registry(
    "cleaner",
    Cleaner,  # type: ignore[type-abstract]
    "fedbytes.defenses.cleaners",
    contract="fedbytes.federated.testing.cleaner_contract:check_cleaner",
)


def make_cleaner(spec: str | Mapping[str, Any] | Cleaner, **fields: Any) -> Cleaner:
    """Build a cleaner from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return CLEANERS.make(spec, **fields)
