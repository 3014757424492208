"""Secure aggregation: a sum of vectors whose masks cancel."""

from fedbytes.federated.aggregations.masked_sum.aggregation import MaskedSum as MaskedSum
