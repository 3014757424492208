"""Groups of examples that stay together have the value that most of them have."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.noniid import Factor
from fedbytes.noniid.allocation.example_groups import merge_groups

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 4)), min_size=1, max_size=40)


@settings(deadline=None)
@given(PAIRS)
def test_a_group_has_its_most_frequent_value_the_first_among_equals(pairs):
    labels, groups = (np.array(column) for column in zip(*pairs, strict=True))
    merged, unit = merge_groups(Factor(labels), groups)
    names = np.unique(groups)
    assert names[unit].tolist() == groups.tolist()
    for value, group in zip(merged.values, names, strict=True):
        counts = Counter(labels[groups == group].tolist())
        assert value == min(counts, key=lambda label: (-counts[label], label))
