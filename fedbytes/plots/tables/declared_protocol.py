"""The protocol that a store's runs were made under, and how far they keep to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedbytes.experiments.config.declaration.protocol import Protocol, read_protocol

_BESIDE = ("sha256", "overrides")


@dataclass(frozen=True)
class DeclaredProtocol:
    """A protocol beside the runs that it was declared for.

    Attributes:
        protocol: as declared.
        sha256: its digest.
        overrides: with which its suite was swept, and which depart from it.
        undeclared: runs whose provenance does not have it: made before it, or under another.
        runs: all runs whose provenance is known.
    """

    protocol: Protocol
    sha256: str
    overrides: tuple[str, ...] = ()
    undeclared: int = 0
    runs: int = 0


def find_declared(
    stored: Mapping[str, Any] | None, provenance: Sequence[Any]
) -> DeclaredProtocol | None:
    """Return the protocol of a store.

    Args:
        stored: the one in the store's `suite.json`, if there is one; otherwise that which all
            runs have in common.
        provenance: of each run.

    Raises:
        ValueError: for a protocol that this version cannot read.
    """
    records = [record.get("protocol") for record in provenance if isinstance(record, Mapping)]
    known = [record for record in records if isinstance(record, Mapping)]
    if stored is None:
        if not known or len(known) < len(records) or len({k.get("sha256") for k in known}) > 1:
            return None
        stored = known[0]
    protocol = read_protocol({k: v for k, v in stored.items() if k not in _BESIDE})
    kept = [record for record in known if record.get("sha256") == protocol.digest]
    overrides = [word for record in (stored, *kept) for word in record.get("overrides", ())]
    return DeclaredProtocol(
        protocol,
        protocol.digest,
        tuple(dict.fromkeys(overrides)),
        len(records) - len(kept),
        len(records),
    )
