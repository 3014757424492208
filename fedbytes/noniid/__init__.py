"""Splits one column of a data set over clients, and measures how different the clients are."""

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.features.unigrams import hashed_words, unigram_measures, unigram_table
from fedbytes.noniid.interop.flower import from_flwr, to_flwr
from fedbytes.noniid.measures.client_distances import pairwise_distances
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import (
    PARTITIONERS,
    Partitioner,
    make_partitioner,
    partitioner_names,
    partitioner_spec,
)
from fedbytes.noniid.testing.partitioner_contract import Finding, check_partitioner

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
