"""Splits one column of a data set over clients, and measures how different the clients are."""

from fedbytes.noniid.contract import Finding, check_partitioner
from fedbytes.noniid.core import (
    PARTITIONERS,
    Partitioner,
    make_partitioner,
    partitioner_names,
    partitioner_spec,
)
from fedbytes.noniid.distances import pairwise_distances
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.flower import from_flwr, to_flwr
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.text import hashed_words, unigram_measures, unigram_table

__all__ = [
    "PARTITIONERS",
    "Factor",
    "Finding",
    "Partition",
    "Partitioner",
    "check_partitioner",
    "from_flwr",
    "hashed_words",
    "make_partitioner",
    "pairwise_distances",
    "partitioner_names",
    "partitioner_spec",
    "to_flwr",
    "unigram_measures",
    "unigram_table",
]
