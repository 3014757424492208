"""The base class of privacy mechanisms: one acts on a client's whole message before encoding."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

Vector = npt.NDArray[np.float32]
MechanismState = dict[str, Any]
"""State of a mechanism on one client: arrays and plain values, checkpointed with the run."""


@dataclass(frozen=True)
class Privacy(Plugin, ABC):
    """A mechanism that every honest client applies; its fields are its configuration."""

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    bounds_what_is_sent: ClassVar[bool] = True
    """Whether its promise is of what is sent. What error feedback or momentum adds to a later
    message would break it (and takes noise back, so that it vanishes over rounds): both are then
    refused on the uplink."""

    @abstractmethod
    def protect(
        self, message: Vector, rng: np.random.Generator, state: MechanismState
    ) -> tuple[Vector, MechanismState]:
        """Return what the client encodes instead of its delta, and the next state.

        Args:
            message: all that the codec would encode, float32 [numel]: for an algorithm that sends
                more than changes of weights, such as control variates, these too.
            rng: the client's own of this round. The server cannot draw from it.
            state: what the mechanism keeps on this client.
        """


PRIVACY: Registry[Privacy] = Registry(
    "privacy",
    Privacy,  # type: ignore[type-abstract]
    "fedbytes.privacy.mechanisms",
    contract="fedbytes.federated.testing.privacy_contract:check_privacy",
)


def make_privacy(spec: str | Mapping[str, Any] | Privacy, **fields: Any) -> Privacy:
    """Build a privacy mechanism from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return PRIVACY.make(spec, **fields)
