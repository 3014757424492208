"""Quantity, mixture, continuous, quantile and natural: what each promises."""

import itertools

import numpy as np
import pytest

from fedbytes.noniid import make_partitioner


def labels(size: int, classes: int) -> np.ndarray:
    return np.arange(size) % classes


def counts(name, y, clients, seed=0, **fields):
    return make_partitioner(name, **fields)(y, clients, seed).counts(y)[1]


def test_quantity_schemes_have_their_sizes():
    y = labels(30_000, 3)
    linear = make_partitioner("quantity", scheme="linear")(y, 3)
    assert linear.sizes.tolist() == [5000, 10_000, 15_000]
    square = make_partitioner("quantity", scheme="square")(y, 2)
    assert square.sizes.tolist() == [6000, 24_000]
    exponential = make_partitioner("quantity", scheme="exponential")(y, 4).sizes
    assert exponential[1:] / exponential[:-1] == pytest.approx(np.e, rel=1e-2)
    assert linear.metrics(y)["nmi"] < 1e-3
    many = make_partitioner("quantity", scheme="exponential")(y, 5000)
    assert many.sizes.sum() == 30_000


def test_quantity_dirichlet_sizes_have_the_moments_of_the_definition():
    alpha, draws = np.array([0.5, 1.0, 2.5]), 2000
    split = make_partitioner("quantity", alpha=alpha.tolist())
    shares = np.array([split(np.zeros(1000), 3, s).sizes for s in range(draws)]) / 1000
    mean, total = alpha / 4.0, 4.0
    variance = mean * (1 - mean) / (total + 1)
    assert np.abs(shares.mean(axis=0) - mean).max() < 5 * np.sqrt(variance.max() / draws)
    assert np.abs(shares.var(axis=0) / variance - 1).max() < 0.15


def test_quantity_that_leaves_clients_too_small():
    y = labels(400, 2)
    fields = {"scheme": "square", "min_size": 5}
    with pytest.raises(ValueError, match="clients have fewer than min_size=5 examples, the small"):
        make_partitioner("quantity", **fields)(y, 20)
    repaired = make_partitioner("quantity", on_small="repair", **fields)(y, 20)
    assert repaired.sizes.min() == 5
    assert repaired.moved > 0


def test_repair_counts_only_what_is_held():
    fields = {"classes_per_client": 1, "on_small": "repair"}
    with pytest.raises(ValueError, match="3 clients of min_size=11 need 33 examples, there are 30"):
        make_partitioner("classes", min_size=11, **fields)(labels(100, 10), 3)
    y = np.repeat(np.arange(10), [5, *[30] * 9])
    for seed in range(9):
        split = make_partitioner("classes", min_size=8, **fields)(y, 9, seed)
        assert split.sizes.min() >= 8
        assert split.dropped.size >= 5


def test_mixture_keeps_its_share_iid():
    y = labels(10_000, 10)
    one_class = {"name": "classes", "classes_per_client": 1}
    seen = counts("mixture", y, 10, then=one_class, iid_share=0.4)
    assert np.sort(seen, axis=1)[:, -1] == pytest.approx(600 + 40, abs=30)
    assert (
        make_partitioner("mixture", then=one_class, iid_share=1.0)(y, 10).metrics(y)["nmi"] < 0.01
    )
    assert make_partitioner("mixture", then=one_class, iid_share=0.0)(y, 10).metrics(y)["nmi"] == 1


def test_continuous_goes_from_iid_to_a_clean_sort():
    y = labels(5000, 10)
    reached = [
        make_partitioner("continuous", strictness=s)(y, 10).metrics(y)["nmi"]
        for s in (0.0, 0.5, 0.8, 1.0)
    ]
    assert reached[0] < 0.01
    assert reached == sorted(reached)
    assert reached[-1] == pytest.approx(1.0)
    lengths = np.random.default_rng(0).lognormal(3, 1, 1000)
    split = make_partitioner("continuous", strictness=1.0)(lengths, 4)
    parts = [lengths[part] for part in split.indices]
    assert all(a.max() <= b.min() for a, b in itertools.pairwise(parts))


def test_quantiles_are_equal_bins_of_any_order():
    lengths = np.random.default_rng(0).integers(1, 500, 4000)
    one = {"name": "classes", "classes_per_client": 1}
    split = make_partitioner("quantile", quantiles=4, then=one)
    parts = [lengths[p] for p in split(lengths, 4).indices]
    assert all(900 < part.size < 1100 for part in parts)
    spans = sorted((part.min(), part.max()) for part in parts)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))
    then, bins = split.resolve(lengths)
    assert then(bins, 4, 3) == split(lengths, 4, 3)
    assert then(bins, 4).metrics(bins)["nmi"] == pytest.approx(1.0)


def test_quantiles_hold_equally_many_examples_and_not_values():
    lengths = np.concatenate([np.full(300, 1), np.full(300, 2), np.arange(3, 603)])
    bins = make_partitioner("quantile", quantiles=4, then="natural").resolve(lengths)[1]
    assert np.bincount(bins).tolist() == [300] * 4


def test_natural_ids_are_the_clients_where_they_fit():
    ids = np.array(["b", "a", "b", "c", "a", "b"])
    split = make_partitioner("natural")(ids, 4)
    assert [part.tolist() for part in split.indices] == [[1, 4], [0, 2, 5], [3], []]


def test_natural_groups_are_whole_and_balanced():
    ids = np.random.default_rng(0).zipf(1.6, 5000) % 300
    for grouping in ("balanced", "random"):
        split = make_partitioner("natural", grouping=grouping)(ids, 10)
        assert (np.count_nonzero(split.counts(ids)[1], axis=0) == 1).all()
        assert split.sizes.sum() == 5000
    balanced = make_partitioner("natural", max_size=100)(ids, 10).sizes
    assert balanced.max() - balanced.min() <= 100


def test_power_users_are_split_and_small_ids_merged():
    ids = np.repeat([0, 1, 2, 3, 4], [95, 3, 4, 2, 30])
    split = make_partitioner("natural", max_size=40, min_size=8)(ids, 5)
    assert sorted(split.sizes) == [9, 30, 31, 32, 32]
    with pytest.raises(ValueError, match="min_size=500 is more than the 134 examples"):
        make_partitioner("natural", min_size=500)(ids, 5)
    with pytest.raises(ValueError, match="min_size=9 is more than max_size=5"):
        make_partitioner("natural", min_size=9, max_size=5)


def test_the_largest_ids_alone():
    ids = np.repeat([0, 1, 2, 3], [5, 50, 7, 60])
    split = make_partitioner("natural", others="drop")(ids, 2)
    assert split.sizes.tolist() == [50, 60]
    assert split.dropped.size == 12
