"""A link between the server and its clients: rates, latency, and what transport adds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

SEGMENT_BYTES = 1448
"""Payload of a full TCP segment: an Ethernet frame's 1500 less IP, TCP and its timestamps."""
SEGMENT_OVERHEAD = 78
"""Bytes that a segment adds on the wire: Ethernet 26, IPv4 20, TCP with timestamps 32."""
MEGA = 1e6


@dataclass(frozen=True)
class NetworkLink:
    """The way between the server and one client.

    Attributes:
        name: in tables and figures.
        up: Mbit/s from the client to the server, above 0.
        down: Mbit/s from the server to the client, above 0.
        rtt: milliseconds for a round trip, at least 0; a message waits half of it.
        server: Mbit/s that the server has for all clients together, each way; infinite by default.
    """

    name: str
    up: float
    down: float
    rtt: float = 0.0
    server: float = math.inf

    def __post_init__(self) -> None:
        for field in ("up", "down", "server"):
            value = getattr(self, field)
            if not value > 0 or (field != "server" and math.isinf(value)):
                raise ValueError(f"link {self.name!r}: {field} must be Mbit/s above 0, got {value}")
        if not 0 <= self.rtt < math.inf:
            raise ValueError(
                f"link {self.name!r}: rtt must be milliseconds from 0 on, got {self.rtt}"
            )

    @property
    def latency(self) -> float:
        """Seconds until the first bit of a message arrives."""
        return self.rtt / 2000

    def at(self, **rates: float) -> "NetworkLink":
        """Return the same link at other rates."""
        return replace(self, **rates)  # type: ignore[arg-type]

    def __str__(self) -> str:
        shared = f", server {self.server:g} Mbit/s" if math.isfinite(self.server) else ""
        rates = f"{self.up:g} up, {self.down:g} down Mbit/s, {self.rtt:g} ms{shared}"
        return f"{self.name}: {rates}" if self.name else rates


def wire_bits(message_bytes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the bits that messages take on the wire, transport included.

    A message of 1,000 bytes is one segment, 1,078 bytes; one of 1 MB is 691, 1,053,898 bytes.
    """
    sizes = np.asarray(message_bytes, dtype=np.float64)
    bits: npt.NDArray[np.float64] = 8 * (sizes + np.ceil(sizes / SEGMENT_BYTES) * SEGMENT_OVERHEAD)
    return bits


NAMED_LINKS: Mapping[str, NetworkLink] = MappingProxyType(
    {
        link.name: link
        for link in (
            NetworkLink("lorawan", 0.0055, 0.0055, 2000),
            NetworkLink("adsl", 1, 16, 40),
            NetworkLink("4g", 10, 30, 50),
            NetworkLink("fibre", 100, 100, 10),
            NetworkLink("datacentre", 10_000, 10_000, 0.5),
        )
    }
)
"""Links by name; docs/links.md says where their figures come from."""


def make_links(names: str) -> list[NetworkLink]:
    """Return the links that a comma-separated list names.

    Raises:
        ValueError: for a name that is none; the message lists those there are.
    """
    from fedbytes.registry import nearest

    found = []
    for name in filter(None, (part.strip().lower() for part in names.split(","))):
        if name not in NAMED_LINKS:
            raise ValueError(f"there is no link {name!r}{nearest(name, NAMED_LINKS)}")
        found.append(NAMED_LINKS[name])
    if not found:
        raise ValueError(f"--links names no link (known: {', '.join(NAMED_LINKS)})")
    return found
