"""The measures, against hand-made cases and their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbytes.noniid import Partition
from fedbytes.noniid.measures import (
    effective_classes,
    effective_clients,
    gini,
    measure,
    nmi,
    total_variation,
)


def table(owners, labels, clients):
    return Partition.from_owners(np.array(owners), clients).contingency(np.array(labels))


def test_same_mix_everywhere():
    measured = measure(table([0, 0, 1, 1], [5, 9, 5, 9], 2))
    assert measured["nmi"] == 0.0
    assert measured["effective_classes"] == pytest.approx(2.0)
    assert measured["total_variation"] == 0.0
    assert measured["size_gini"] == 0.0
    assert measured["effective_clients"] == pytest.approx(2.0)


def test_one_class_a_client_and_one_empty_client():
    measured = measure(table([0, 0, 1, 1], [5, 5, 9, 9], 3))
    assert measured["nmi"] == pytest.approx(1.0)
    assert measured["effective_classes"] == pytest.approx(1.0)  # over the two that hold anything
    assert measured["total_variation"] == pytest.approx(0.5)
    assert measured["empty_clients"] == 1.0


def test_measures_of_each_client():
    counted = table([0, 0, 0, 0, 1], list("aabba"), 3)
    assert effective_classes(counted) == pytest.approx([2.0, 1.0, 0.0])
    assert total_variation(counted) == pytest.approx([0.1, 0.4, 0.0])


def test_sizes():
    assert gini(np.array([4, 4, 4])) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert effective_clients(np.array([0, 0, 0, 8])) == pytest.approx(1.0)
    assert gini(np.array([0, 0])) == effective_clients(np.array([0, 0])) == 0.0


def test_nothing_held_at_all():
    measured = measure(table([-1, -1], [0, 1], 2))
    assert measured["empty_clients"] == 2.0
    assert measured["nmi"] == measured["effective_classes"] == 0.0


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 3)), min_size=1, max_size=50))
def test_against_the_definitions(pairs):
    owners, labels = np.array(pairs).T
    split = Partition.from_owners(owners, 5)
    counted = split.contingency(labels)
    _, dense = split.counts(labels)
    assert np.array_equal(counted.dense(), dense)
    held = dense[dense.sum(axis=1) > 0]
    if held.size == 0:
        return
    joint = held / held.sum()
    mix = joint.sum(axis=0)
    size = joint.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.nansum(joint * np.log(joint / (size * mix)))
        entropy = -np.nansum(mix * np.log(mix))
    assert nmi(counted) == pytest.approx(information / entropy if entropy > 0 else 0.0, abs=1e-9)
    distance = 0.5 * np.abs(joint / size - mix).sum(axis=1)
    assert total_variation(counted)[split.sizes > 0] == pytest.approx(distance, abs=1e-12)
    sizes = split.sizes
    pairwise = np.abs(sizes[:, None] - sizes[None, :]).sum() / (2 * sizes.size * sizes.sum())
    assert gini(sizes) == pytest.approx(pairwise, abs=1e-12)


@given(st.lists(st.integers(0, 3), min_size=4, max_size=40), st.permutations(range(4)))
def test_names_of_categories_and_clients_do_not_matter(owners, order):
    labels = np.arange(len(owners)) % 4
    plain = measure(table(owners, labels, 4))
    renamed = measure(table(np.array(order)[owners], [f"{order[y]}" for y in labels], 4))
    assert plain == pytest.approx(renamed)
