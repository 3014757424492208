"""What a client keeps between rounds, and what of it another process needs to train for it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from fedbytes.compression.error_feedback import SenderState
from fedbytes.federated.algorithm import ClientMemory
from fedbytes.federated.plugins.stage_context import PluginState


@dataclass
class ClientState:
    """State of a client between rounds; it is checkpointed with the run.

    Attributes:
        version: of the synced vector that it holds; -1 before it was ever reached.
        memory: what the algorithm keeps, by name.
        senders: what error feedback and momentum keep, by `Federation.memory_key`.
        guards: the state of the guard against a diverging residual, by the same keys.
        announced: the number that it announced last, None if it never did.
        plugins: what its cleaners and privacy mechanisms keep, by their stage.
        dropped: how many of its examples its cleaners left out when it trained last.
        planted: how many of its examples an attack had planted then.
        dropped_planted: how many of these its cleaners left out.
        root: the payload of the trusted examples that it was sent.
    """

    version: int = -1
    memory: ClientMemory = field(default_factory=dict)
    senders: dict[str, SenderState] = field(default_factory=dict)
    guards: dict[str, dict[str, Any]] = field(default_factory=dict)
    announced: int | None = None
    plugins: dict[str, PluginState] = field(default_factory=dict)
    dropped: int = 0
    planted: int = 0
    dropped_planted: int = 0
    root: bytes | None = None

    def plain(self) -> dict[str, Any]:
        """Return the fields that are not as in a new state, as tensors and plain values."""
        return {key: value for key, value in vars(self).items() if value != _NEW[key]}

    def read_by_training(self) -> dict[str, Any]:
        """Return the same without what encoding alone reads."""
        return {key: value for key, value in self.plain().items() if key not in _OF_ENCODING}

    def changed_by_training(self) -> dict[str, Any]:
        """Return the fields that training may have changed."""
        return {key: getattr(self, key) for key in _CHANGED_BY_TRAINING}


_NEW = dict(vars(ClientState()))
_OF_ENCODING = ("senders", "guards")
_CHANGED_BY_TRAINING = ("memory", "plugins", "dropped", "planted", "dropped_planted")


class LentClient(NamedTuple):
    """What a client needs to train in another process.

    Attributes:
        sent: the vector that it was sent in place of what all hold, and its round.
        state: the fields of its state that training reads.
    """

    sent: tuple[int, Tensor] | None
    state: dict[str, Any]
