"""State of the server between rounds."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fedbytes.compression.error_feedback import SenderState
from fedbytes.federated.client_memory.kept_by_client import KeptByClient
from fedbytes.federated.plugins.stage_context import PluginState
from fedbytes.federated.population.sent_versions import SentVersions


@dataclass
class ServerState:
    """The server's state after `round` rounds; it is checkpointed with the run.

    Attributes:
        model: what every client holds that has received all updates.
        synced: how many updates each client has been sent; -1 if it was never reached.
        round: rounds made.
        optimizer: what the algorithm's server keeps, by name.
        updates: payloads of the newest updates, oldest first, for clients that missed them; older
            ones are dropped as soon as sending them all would cost more than a whole state.
        reference: the newest update as clients decode it.
        senders: what error feedback keeps around the downlink, by `Federation.memory_key`.
        guards: the state of its guard against a diverging residual, by the same keys.
        estimates: what is kept of each client where the uplink sends differences (EF21), by
            client and `Federation.memory_key`.
        reported: the examples that each client reported with its last estimate, where the uplink
            averages all estimates (EF21-PP).
        announced: the number that each client announced last, of those who ever did.
        defenses: what the defences keep, by their stage.
        privacy: what privacy mechanisms keep on the server, likewise.
        encode_seconds: what encoding the newest update took; booked where it is first sent.
    """

    model: Tensor
    synced: SentVersions
    round: int = 0
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    updates: list[bytes] = field(default_factory=list)
    reference: Tensor | None = None
    senders: dict[str, SenderState] = field(default_factory=dict)
    guards: dict[str, dict[str, Any]] = field(default_factory=dict)
    estimates: KeptByClient[dict[str, Tensor]] = field(
        default_factory=lambda: KeptByClient("estimates")
    )
    reported: dict[int, int] = field(default_factory=dict)
    announced: dict[int, int] = field(default_factory=dict)
    encode_seconds: float = 0.0
    defenses: dict[str, PluginState] = field(default_factory=dict)
    privacy: dict[str, PluginState] = field(default_factory=dict)

    def estimate(self, client: int) -> dict[str, Tensor]:
        """Return what is kept of a client where the uplink sends differences, not to be changed."""
        return self.estimates.peek(client) or {}
