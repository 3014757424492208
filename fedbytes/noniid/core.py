"""The old name of `fedbytes.noniid`; it goes with the next release."""

from fedbytes.noniid.partitioner import (
    PARTITIONERS,
    Partitioner,
    make_partitioner,
    partitioner_names,
    partitioner_spec,
)

__all__ = [
    "PARTITIONERS",
    "Partitioner",
    "make_partitioner",
    "partitioner_names",
    "partitioner_spec",
]
