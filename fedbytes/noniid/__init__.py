"""Splits one column of a data set over clients, and measures how different the clients are.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.noniid.allocation.class_assignment import assign_classes as assign_classes
    from fedbytes.noniid.allocation.deal_by_counts import cut_into_runs as cut_into_runs
    from fedbytes.noniid.allocation.deal_by_counts import deal_examples as deal_examples
    from fedbytes.noniid.allocation.deal_by_counts import share_among_holders as share_among_holders
    from fedbytes.noniid.allocation.largest_remainder import largest_remainder as largest_remainder
    from fedbytes.noniid.allocation.min_size import OnSmall as OnSmall
    from fedbytes.noniid.allocation.min_size import enforce_min_size as enforce_min_size
    from fedbytes.noniid.allocation.random_shares import draw_dirichlet as draw_dirichlet
    from fedbytes.noniid.allocation.random_shares import draw_equal_sizes as draw_equal_sizes
    from fedbytes.noniid.contingency import Contingency as Contingency
    from fedbytes.noniid.factor import Factor as Factor
    from fedbytes.noniid.features.unigrams import hashed_words as hashed_words
    from fedbytes.noniid.features.unigrams import unigram_measures as unigram_measures
    from fedbytes.noniid.features.unigrams import unigram_table as unigram_table
    from fedbytes.noniid.interop.flower import from_flwr as from_flwr
    from fedbytes.noniid.interop.flower import to_flwr as to_flwr
    from fedbytes.noniid.measures.client_distances import pairwise_distances as pairwise_distances
    from fedbytes.noniid.partition import Partition as Partition
    from fedbytes.noniid.partitioner import ONE_PER_VALUE as ONE_PER_VALUE
    from fedbytes.noniid.partitioner import PARTITIONERS as PARTITIONERS
    from fedbytes.noniid.partitioner import ClientCount as ClientCount
    from fedbytes.noniid.partitioner import Partitioner as Partitioner
    from fedbytes.noniid.partitioner import make_partitioner as make_partitioner
    from fedbytes.noniid.partitioner import partitioner_names as partitioner_names
    from fedbytes.noniid.partitioner import partitioner_spec as partitioner_spec
    from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget as HeterogeneityTarget
    from fedbytes.noniid.target_heterogeneity import Strength as Strength
    from fedbytes.noniid.target_heterogeneity import set_default_strength as set_default_strength
    from fedbytes.noniid.testing.partitioner_contract import check_partitioner as check_partitioner
    from fedbytes.noniid.text_partitioner import TextPartitioner as TextPartitioner
    from fedbytes.testing import Finding as Finding

__getattr__, __dir__, __all__ = lazy_face(__name__)
