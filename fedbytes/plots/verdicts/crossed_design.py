"""Designs in which every partition is trained with every seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fedbytes.plots.inference.paired_tests import (
    PairedTests,
    compare_crossed,
    compare_with_margin,
)
from fedbytes.plots.inference.variance_components import split_variance
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.paired_ends import PairedEnds

Design: TypeAlias = Mapping[int, tuple[int, int]]
"""The partition seed and the training seed behind each seed of the tables; empty if not crossed."""


@dataclass(frozen=True)
class SplitSpread:
    """Deviations of a method's differences by their source; NaN where the design cannot tell."""

    partition_sd: float = nan
    training_sd: float = nan
    rest_sd: float = nan


def read_design(tables: Tables) -> Design:
    """Return the seeds behind each number of `tables.results["seed"]`, where both are known."""
    rows = tables.results
    if not {"partition_seed", "training_seed"} <= set(rows.columns):
        return {}
    one = rows.drop_duplicates("seed")
    both = zip(one["partition_seed"], one["training_seed"], strict=True)
    design = {int(seed): (int(p), int(s)) for seed, (p, s) in zip(one["seed"], both, strict=True)}
    partitions, seeds = ({pair[i] for pair in design.values()} for i in (0, 1))
    return design if len(partitions) < len(design) and len(seeds) < len(design) else {}


def judge_pairs(
    ends: PairedEnds, margin: float, level: float, design: Design
) -> PairedTests | None:
    """Return the tests of a codec that has pairs enough for a deviation.

    Of a crossed design, runs that share a partition or a seed are not independent (see
    `compare_crossed`). Where cells are missing, the means of the partitions are tested.
    """
    if len(ends.seeds) < 2:
        return None
    if not design:
        return compare_with_margin(ends.differences, margin, level)
    table = _cross(ends, design)
    if table is not None:
        return compare_crossed(table, margin, level)
    means = average_partitions(ends, design).differences
    return compare_with_margin(means, margin, level) if len(means) > 1 else None


def average_partitions(ends: PairedEnds, design: Design) -> PairedEnds:
    """Return a codec's pairs with one for each partition: the means over its training seeds.

    These are independent, where runs of one partition are not. `seeds` are then the partitions'.
    """
    partitions = [design[seed][0] for seed in ends.seeds]
    seeds = tuple(dict.fromkeys(partitions))

    def means(values: Sequence[float]) -> tuple[float, ...]:
        pairs = list(zip(partitions, values, strict=True))
        return tuple(float(np.mean([v for p, v in pairs if p == seed])) for seed in seeds)

    own, base, differences = map(means, (ends.own, ends.base, ends.differences))
    return replace(ends, seeds=seeds, own=own, base=base, differences=differences)


def split_spread(ends: PairedEnds, design: Design) -> SplitSpread:
    """Return how much of a codec's spread is the partition's, the training seed's and neither's."""
    table = _cross(ends, design) if design else None
    if table is None:
        return SplitSpread()
    found = split_variance(table)
    return SplitSpread(found.rows**0.5, found.columns**0.5, found.rest**0.5)


def _cross(ends: PairedEnds, design: Design) -> NDArray[np.float64] | None:
    """Return differences as a table [partitions, training seeds]; None unless it is full."""
    cells = {design[seed]: value for seed, value in zip(ends.seeds, ends.differences, strict=True)}
    partitions, seeds = (sorted({pair[i] for pair in cells}) for i in (0, 1))
    if min(len(partitions), len(seeds)) < 2 or len(cells) < len(partitions) * len(seeds):
        return None
    return np.array([[cells[p, s] for s in seeds] for p in partitions])
