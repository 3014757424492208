"""Groups of examples that stay together, which a partitioner then splits."""

from typing import Any

import numpy as np

from fedbytes.noniid.arrays import Ints
from fedbytes.noniid.factor import Factor


def merge_groups(factor: Factor, groups: Any) -> tuple[Factor, Ints]:
    """Return a column with one value per group, and the group of each example.

    A group's value is the most frequent one of its examples, the first in order among equals.

    Raises:
        ValueError: if the groups are malformed or not as many as the factor's values.
    """
    ids = Factor(groups)
    if len(ids) != len(factor):
        raise ValueError(f"groups has {len(ids)} values, the factor {len(factor)}")
    width = max(factor.categories.size, 1)
    keys, counts = np.unique(ids.codes * width + factor.codes, return_counts=True)
    group, code = np.divmod(keys, width)
    order = np.lexsort((code, -counts, group))
    first = np.unique(group[order], return_index=True)[1]
    return Factor(factor.categories[code[order][first]]), ids.codes
