"""The measures, against hand-made cases and their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from fedbytes.noniid import (
    Partition,
    hashed_words,
    pairwise_distances,
    unigram_measures,
    unigram_table,
)
from fedbytes.noniid.measures.client_distances import mean_distance
from fedbytes.noniid.measures.heterogeneity import (
    effective_classes,
    effective_clients,
    gini,
    hellinger,
    jensen_shannon,
    label_entropy,
    measure_heterogeneity,
    nmi,
    total_variation,
)


def table(owners, labels, clients):
    return Partition.from_owners(np.array(owners), clients).contingency(np.array(labels))


def test_same_mix_everywhere():
    measured = measure_heterogeneity(table([0, 0, 1, 1], [5, 9, 5, 9], 2))
    assert measured["nmi"] == 0.0
    assert measured["effective_classes"] == pytest.approx(2.0)
    assert measured["total_variation"] == 0.0
    assert measured["size_gini"] == 0.0
    assert measured["effective_clients"] == pytest.approx(2.0)


def test_one_class_a_client_and_one_empty_client():
    measured = measure_heterogeneity(table([0, 0, 1, 1], [5, 5, 9, 9], 3))
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
    measured = measure_heterogeneity(table([-1, -1], [0, 1], 2))
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
    assert nmi(counted) == pytest.approx(
        information / entropy if entropy > 1e-12 else 0.0, abs=1e-9
    )
    distance = 0.5 * np.abs(joint / size - mix).sum(axis=1)
    assert total_variation(counted)[split.sizes > 0] == pytest.approx(distance, abs=1e-12)
    sizes = split.sizes
    pairwise = np.abs(sizes[:, None] - sizes[None, :]).sum() / (2 * sizes.size * sizes.sum())
    assert gini(sizes) == pytest.approx(pairwise, abs=1e-12)


@given(st.lists(st.integers(0, 3), min_size=4, max_size=40), st.permutations(range(4)))
def test_names_of_categories_and_clients_do_not_matter(owners, order):
    labels = np.arange(len(owners)) % 4
    plain = measure_heterogeneity(table(owners, labels, 4))
    renamed = measure_heterogeneity(
        table(np.array(order)[owners], [f"{order[y]}" for y in labels], 4)
    )
    assert plain == pytest.approx(renamed)


def test_entropy_and_hellinger_of_each_client():
    counted = table([0, 0, 0, 0, 1], list("aabba"), 3)
    assert label_entropy(counted) == pytest.approx([np.log(2), 0.0, 0.0])
    expected = [1 - np.sqrt(0.5 * 0.6) - np.sqrt(0.5 * 0.4), 1 - np.sqrt(0.6), 0.0]
    assert hellinger(counted) ** 2 == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 3)), min_size=1, max_size=50))
def test_jensen_shannon_is_nmi_times_the_entropy(pairs):
    owners, labels = np.array(pairs).T
    counted = table(owners, labels, 5)
    mix = counted.mix[counted.mix > 0]
    entropy = -np.sum(mix * np.log2(mix))
    assert jensen_shannon(counted) == pytest.approx(nmi(counted) * entropy, abs=1e-9)


@pytest.mark.parametrize("distance", ["jensen_shannon", "hellinger"])
@given(
    pairs=st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 9)), min_size=1, max_size=80),
)
def test_distances_against_the_definition(distance, pairs):
    owners, labels = np.array(pairs).T
    counted = table(owners, labels, 7)
    clients, found = pairwise_distances(counted, distance)
    assert clients.tolist() == list(range(7))
    for i in range(7):
        for j in range(7):
            p, q = counted.dense()[i], counted.dense()[j]
            if p.sum() == 0 or q.sum() == 0:
                assert found[i, j] == 0.0
                continue
            if distance == "jensen_shannon":
                expected = jensenshannon(p, q, base=2) ** 2
                assert found[i, j] == pytest.approx(expected, abs=1e-9)
            else:
                overlap = np.sqrt(p / p.sum() * q / q.sum()).sum()
                assert found[i, j] ** 2 == pytest.approx(max(0.0, 1 - overlap), abs=1e-9)
    mean = mean_distance(counted, distance)
    held = np.flatnonzero(counted.sizes)
    if held.size > 1:
        inner = found[np.ix_(held, held)]
        assert mean == pytest.approx(inner.sum() / (held.size * (held.size - 1)))


def test_distances_of_many_clients_are_a_sample():
    rng = np.random.default_rng(0)
    counted = table(rng.integers(3000, size=20_000), rng.integers(10, size=20_000), 3000)
    clients, found = pairwise_distances(counted, most=200)
    assert found.shape == (200, 200)
    assert clients.size == 200
    assert np.all(np.diff(clients) > 0)
    assert clients.max() > 1500  # from everywhere
    whole = mean_distance(counted, most=3000)
    assert mean_distance(counted) == pytest.approx(whole, rel=0.05)
    again, same = pairwise_distances(counted, most=200)
    assert np.array_equal(clients, again)
    assert np.array_equal(found, same)


def test_distances_refuse():
    counted = table([0, 1], [0, 1], 2)
    with pytest.raises(ValueError, match="jensen_shannon or hellinger, got 'emd'"):
        pairwise_distances(counted, "emd")
    with pytest.raises(ValueError, match="got 0"):
        pairwise_distances(counted, most=0)


def test_words_of_clients():
    texts = ["The cat sat.", "the CAT", "a stock fell", "stock, stock"]
    words, offsets = hashed_words(texts)
    assert offsets.tolist() == [0, 3, 5, 8, 10]
    assert words[:2].tolist() == words[3:5].tolist()  # case does not matter
    split = Partition.from_owners(np.array([0, 0, 1, -1]), 3)
    counted = unigram_table(split, words, offsets)
    assert counted.sizes.tolist() == [5, 3, 0]
    measured = unigram_measures(split, words, offsets)
    # Two clients without a common word: the entropy of their shares of all words.
    assert measured["unigram_js"] == pytest.approx(
        -(0.625 * np.log2(0.625) + 0.375 * np.log2(0.375))
    )


def test_words_in_pieces_are_counted_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    tokens, offsets = rng.integers(50, size=999), np.sort(rng.integers(0, 1000, size=39))
    offsets = np.concatenate([[0], offsets, [999]])
    split = Partition.from_owners(rng.integers(-1, 5, size=40), 5)
    whole = unigram_table(split, tokens, offsets)
    monkeypatch.setattr("fedbytes.noniid.features.unigrams._CHUNK", 100)
    pieces = unigram_table(split, tokens, offsets)
    assert np.array_equal(whole.dense(), pieces.dense())


def test_words_dealt_at_random_are_the_floor():
    rng = np.random.default_rng(2)
    topics = rng.integers(4, size=400)
    tokens = np.concatenate([rng.integers(30, size=20) + 20 * t for t in topics])
    offsets = np.arange(401) * 20
    by_topic = unigram_measures(Partition.from_owners(topics, 4), tokens, offsets)
    dealt = Partition.from_owners(rng.permutation(topics), 4)
    at_random = unigram_measures(dealt, tokens, offsets)
    assert by_topic["unigram_js"] > 5 * by_topic["unigram_js_iid"]
    assert at_random["unigram_js"] == pytest.approx(at_random["unigram_js_iid"], rel=0.3)


def test_words_that_do_not_fit_the_partition():
    split = Partition.from_owners(np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="3 texts, the partition splits 2"):
        unigram_table(split, [1, 2], np.array([0, 1, 2, 2]))
    with pytest.raises(ValueError, match="rise from 0 to the 2 tokens"):
        unigram_table(split, [1, 2], np.array([0, 2, 1]))
    with pytest.raises(ValueError, match="got -1"):
        unigram_table(split, [-1, 2], np.array([0, 1, 2]))
