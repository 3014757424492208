"""Dirichlet schemes and schemes of few classes: their definitions over many draws."""

import numpy as np
import pytest
from scipy import stats

from fedbytes.noniid import make_partitioner


def labels(size: int, classes: int) -> np.ndarray:
    return np.arange(size) % classes


def counts(name, y, clients, seed=0, **fields):
    return make_partitioner(name, **fields)(y, clients, seed).counts(y)[1]


def test_balanced_dirichlet_has_closer_sizes_and_other_mixes():
    y = labels(50_000, 10)
    plain, balanced = (
        make_partitioner("dirichlet", alpha=0.1, balance=b)(y, 100, 0).metrics(y)
        for b in (False, True)
    )
    assert balanced["size_gini"] < plain["size_gini"] - 0.03
    assert balanced["nmi"] == pytest.approx(0.74, abs=0.03)
    assert plain["nmi"] == pytest.approx(0.62, abs=0.04)


def test_dirichlet_client_has_equal_sizes_and_the_skew_of_its_alpha():
    y = labels(50_000, 10)
    split = make_partitioner("dirichlet_client", alpha=0.1)(y, 100, 0)
    assert set(split.sizes) == {500}
    assert split.metrics(y)["nmi"] == pytest.approx(0.66, abs=0.04)


def test_dirichlet_client_draws_mixes_with_the_moments_of_dirichlet_multinomial():
    # One client of few examples never uses a class up, so its counts follow the definition.
    sizes, draws, size = [0.5, 0.3, 0.2], 3000, 20
    y = np.repeat([0, 1, 2], [5000, 3000, 2000])
    a = 0.4 * 3 * np.array(sizes)
    split = make_partitioner("dirichlet_client", alpha=0.4, sizes=[size, 0])
    seen = np.array([split(y, 2, s).counts(y)[1][0] for s in range(draws)])
    p, total = a / a.sum(), a.sum()
    variance = size * p * (1 - p) * (size + total) / (1 + total)
    assert np.abs(seen.mean(axis=0) - size * p).max() < 5 * np.sqrt(variance.max() / draws)
    assert np.abs(seen.var(axis=0) / variance - 1).max() < 0.15
    assert set(seen.sum(axis=1)) == {size}


def test_dirichlet_client_of_large_alpha_is_multinomial():
    y = np.repeat([0, 1], [7000, 3000])
    split = make_partitioner("dirichlet_client", alpha=1e6, sizes=[10, 0])
    first = [split(y, 2, s).counts(y)[1][0, 0] for s in range(2000)]
    expected = 2000 * stats.binom(10, 0.7).pmf(np.arange(11))
    seen = np.bincount(first, minlength=11)
    rare = expected < 8
    observed = np.append(seen[~rare], seen[rare].sum())
    assert stats.chisquare(observed, np.append(expected[~rare], expected[rare].sum())).pvalue > 1e-4


def test_dirichlet_client_alpha_of_each_class():
    y = labels(900, 3)
    seen = counts("dirichlet_client", y, 3, alpha=[0.0, 1.0, 1.0], sizes=[100, 100, 100])
    assert seen[:, 0].sum() == 0
    with pytest.raises(ValueError, match=r"3 categories, .* configured for 2"):
        make_partitioner("dirichlet_client", alpha=[1, 2])(y, 3)


def test_given_sizes_are_kept_and_the_rest_is_dropped():
    y = labels(100, 4)
    for name, fields in [("dirichlet_client", {}), ("quantity", {"scheme": "explicit"})]:
        split = make_partitioner(name, sizes=[50, 0, 7], **fields)(y, 3)
        assert split.sizes.tolist() == [50, 0, 7]
        assert split.dropped.size == 43
        with pytest.raises(ValueError, match="sizes sum to 101, there are only 100"):
            make_partitioner(name, sizes=[50, 51], **fields)(y, 2)
        with pytest.raises(ValueError, match="at least 0"):
            make_partitioner(name, sizes=[5, -1], **fields)


@pytest.mark.parametrize("clients", [3, 10, 11, 37])
@pytest.mark.parametrize("name", ["classes", "extended_dirichlet", "mixed", "power_law"])
def test_no_client_has_more_classes_than_it_may(name, clients):
    y = labels(3700, 10)
    seen = counts(name, y, clients, classes_per_client=2)
    assert (np.count_nonzero(seen, axis=1) <= 2).all()
    if clients >= 10:
        assert seen.sum() == y.size


def test_classes_are_shared_equally_among_balanced_holders():
    y = labels(3000, 10)
    seen = counts("classes", y, 30, classes_per_client=2)
    assert (np.count_nonzero(seen, axis=1) == 2).all()
    assert (np.count_nonzero(seen, axis=0) == 6).all()
    assert set(seen[seen > 0]) == {50}


def test_random_classes_are_uniform_and_what_nobody_draws_is_dropped():
    y = labels(1000, 10)
    split = make_partitioner("classes", classes_per_client=1, assignment="random")
    drawn = [np.argmax(split(y, 2, s).counts(y)[1][0]) for s in range(600)]
    assert stats.chisquare(np.bincount(drawn, minlength=10)).pvalue > 1e-4
    assert split(y, 2).dropped.size >= 800


def test_mixed_gives_client_i_class_i_and_ends_for_any_number_of_clients():
    y = labels(5000, 10)
    for clients in (1, 9, 10, 11, 200):
        seen = counts("mixed", y, clients, alpha=100.0)
        assert (seen[np.arange(clients), np.arange(clients) % 10] > 0).all()


def test_shares_within_a_class_have_the_moments_of_dirichlet():
    # Four clients of both classes: a class is shared by Dir(a, a, a, a).
    y, alpha, draws = labels(4000, 2), 0.5, 1500
    for name in ("extended_dirichlet", "mixed"):
        shares = np.array([counts(name, y, 4, s, alpha=alpha)[:, 0] for s in range(draws)]) / 2000
        variance = 0.25 * 0.75 / (4 * alpha + 1)
        assert np.abs(shares.mean(axis=0) - 0.25).max() < 5 * np.sqrt(variance / draws)
        assert np.abs(shares.var(axis=0) / variance - 1).max() < 0.25


def test_power_law_shares_have_the_tail_of_their_exponent():
    y = np.zeros(200_000, dtype=int)
    sizes = make_partitioner("power_law", exponent=1.5, classes_per_client=1)(y, 3000).sizes
    scale = np.quantile(sizes, 0.5) / 2 ** (1 / 1.5)
    for factor in (3.0, 6.0):
        assert np.mean(sizes > factor * scale) == pytest.approx(factor**-1.5, rel=0.2)
    logs = np.log(make_partitioner("power_law", classes_per_client=1, sigma=1.0)(y, 500).sizes)
    assert logs.std() == pytest.approx(1.0, abs=0.1)


def test_shards_have_few_classes_and_equal_sizes():
    y = labels(10_000, 10)
    split = make_partitioner("shards", shards_per_client=2)(y, 100, 1)
    assert set(split.sizes) == {100}
    assert np.count_nonzero(split.counts(y)[1], axis=1).max() <= 2
    odd = make_partitioner("shards", shards_per_client=3)(y[:1003], 7)
    assert odd.sizes.sum() == 1003
    assert odd.sizes.max() - odd.sizes.min() <= 3
