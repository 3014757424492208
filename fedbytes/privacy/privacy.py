"""The base class of privacy mechanisms: what clients do to a message, and who may open it."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fedbytes.plugin_fields import Plugin
from fedbytes.privacy.noisy_sum import NoisySum
from fedbytes.registry import Registry

Vector = npt.NDArray[np.float32]
MechanismState = dict[str, Any]
"""State of a mechanism on one client: arrays and plain values, checkpointed with the run."""


@dataclass(frozen=True)
class Privacy(Plugin, ABC):
    """A mechanism that every honest client applies; its fields are its configuration.

    One that acts on what each client sends defines `protect`. One that decides what the server can
    open says so by `carrier`, and one whose noise is that of a sum by `noisy_sum`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    bounds_what_is_sent: ClassVar[bool] = True
    """Whether its promise is of what is sent. What error feedback or momentum adds to a later
    message would break it (and takes noise back, so that it vanishes over rounds): both are then
    refused on the uplink."""

    example_uplink: ClassVar[str | Mapping[str, Any]] = "fp32"
    """The uplink that the contract is checked with."""

    @property
    def carrier(self) -> dict[str, Any] | None:
        """The aggregation that carries it out, name and fields; None where clients alone do."""
        return None

    def noisy_sum(self, clients: int) -> NoisySum | None:
        """Return how the `clients` of a round make integers with noise of their messages.

        None, the default, for a mechanism whose noise is no part of a sum. One that returns some
        takes the place of the uplink's codec, and needs a mechanism with a `carrier` beside it.
        """
        return None

    def protect(
        self, message: Vector, rng: np.random.Generator, state: MechanismState
    ) -> tuple[Vector, MechanismState]:
        """Return what the client encodes instead of its delta, and the next state.

        By default the message as it is.

        Args:
            message: all that the codec would encode, float32 [numel]: for an algorithm that sends
                more than changes of weights, such as control variates, these too.
            rng: the client's own of this round. The server cannot draw from it.
            state: what the mechanism keeps on this client.
        """
        return message, state


PRIVACY: Registry[Privacy] = Registry(
    "privacy",
    Privacy,
    "fedbytes.privacy.mechanisms",
    contract="fedbytes.federated.testing.privacy_contract:check_privacy",
)


def make_privacy(spec: str | Mapping[str, Any] | Privacy, **fields: Any) -> Privacy:
    """Build a privacy mechanism from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return PRIVACY.make(spec, **fields)
