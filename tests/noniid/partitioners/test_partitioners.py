"""The first partitioners: their distributions, their extremes, and their repairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fedbytes.noniid import make_partitioner, partitioner_spec
from fedbytes.noniid.allocation.largest_remainder import largest_remainder, share_by_surplus


def labels(size: int, classes: int) -> np.ndarray:
    return np.arange(size) % classes


@settings(deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 8),
    st.integers(1, 12),
    st.sampled_from([1e-5, 0.01, 0.1, 1.0, 100.0, 1e6]),
    st.integers(0, 99),
)
def test_dirichlet_splits_everything(per_client, classes, clients, alpha, seed):
    size = per_client * clients
    split = make_partitioner("dirichlet", alpha=alpha)(labels(size, classes), clients, seed)
    assert sorted(np.concatenate(split.indices)) == list(range(size))
    assert split.moved == 0
    assert split.dropped.size == 0


def test_dirichlet_shares_have_the_moments_of_the_definition():
    # One class, so that the sizes are the shares; 2,000 draws put the mean within 5 errors.
    alpha, clients, size, draws = 0.5, 8, 4000, 2000
    split = make_partitioner("dirichlet", alpha=alpha)
    shares = np.array([split(np.zeros(size), clients, s).sizes / size for s in range(draws)])
    mean = 1 / clients
    variance = mean * (1 - mean) / (alpha * clients + 1)
    assert np.abs(shares.mean(axis=0) - mean).max() < 5 * np.sqrt(variance / draws)
    assert np.abs(shares.var(axis=0) / variance - 1).max() < 0.25
    for client in range(clients):
        marginal = stats.beta(alpha, alpha * (clients - 1))
        # Shares are rounded to 1/size, so a share of 0 stands for anything below half of that.
        seen = np.clip(shares[:, client], 0.5 / size, None)
        assert stats.kstest(seen[seen > 0.01], _above(marginal, 0.01)).pvalue > 1e-4


def _above(distribution, low):
    base = distribution.cdf(low)
    return lambda x: (distribution.cdf(x) - base) / (1 - base)


def test_vector_alpha_weighs_the_clients():
    alpha = [0.0, 1.0, 2.0, 5.0]
    split = make_partitioner("dirichlet", alpha=alpha)
    sizes = np.array([split(np.zeros(1000), 4, s).sizes for s in range(800)])
    assert sizes[:, 0].max() == 0
    assert sizes.mean(axis=0) / 1000 == pytest.approx([0, 0.125, 0.25, 0.625], abs=0.02)


def test_classes_are_drawn_independently():
    split = make_partitioner("dirichlet", alpha=0.5)
    y = labels(2000, 2)
    counts = np.array([split(y, 5, s).counts(y)[1][0] for s in range(800)])
    assert abs(np.corrcoef(counts.T)[0, 1]) < 5 / np.sqrt(800)


def test_small_alpha_gives_each_class_to_one_client():
    y = labels(1000, 10)
    _, counts = make_partitioner("dirichlet", alpha=1e-5)(y, 20).counts(y)
    assert (counts.max(axis=0) == 100).all()


def test_large_alpha_gives_everyone_the_same():
    y = labels(1000, 10)
    _, counts = make_partitioner("dirichlet", alpha=1e6)(y, 20).counts(y)
    assert counts.min() >= 4
    assert counts.max() <= 6


@pytest.mark.parametrize("alpha", [1e-320, 1e-300, 1e-5, 1e6, 1e300, [1e-310, 2e-310], [1e308] * 2])
def test_extreme_alpha_never_gives_nan(alpha):
    y = labels(60, 3)
    sizes = [make_partitioner("dirichlet", alpha=alpha)(y, 2, seed).sizes for seed in range(50)]
    assert (np.sum(sizes, axis=1) == 60).all()
    assert np.std(sizes) > 0 or np.ravel(alpha).max() > 1  # small alpha: not always one client


def test_members_are_shuffled_within_a_class():
    # The head of a class must not always go to the first client.
    y = np.zeros(400)
    for name, fields in [("iid", {}), ("dirichlet", {"alpha": 1e6})]:
        owner = [make_partitioner(name, **fields)(y, 4, seed).owners[0] for seed in range(400)]
        assert stats.chisquare(np.bincount(owner, minlength=4)).pvalue > 1e-4


def test_rounding_favours_no_client():
    # What is compared is the rounded count with the exact share, in samples a class.
    rng = np.random.default_rng(0)
    total = 103
    bias = np.zeros(10)
    for _ in range(2000):
        shares = rng.dirichlet(np.full(10, 0.5))
        bias += (largest_remainder(shares, total, rng) - shares * total) / 2000
    assert abs(bias[0]) < 0.02
    assert abs(bias[-1]) < 0.02


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30).filter(lambda x: sum(x) > 1e-3),
    st.integers(0, 1000),
)
def test_largest_remainder(weights, total):
    shares = np.array(weights) / np.sum(weights)
    counts = largest_remainder(shares, total, np.random.default_rng(0))
    assert counts.sum() == total
    assert np.abs(counts - shares * total).max() < 1 + 1e-9


def test_equal_remainders_are_drawn():
    won = [
        int(np.argmax(largest_remainder(np.full(4, 0.25), 1, np.random.default_rng(s))))
        for s in range(400)
    ]
    assert stats.chisquare(np.bincount(won, minlength=4)).pvalue > 1e-4


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.floats(0, 1))
def test_share_out_never_takes_more_than_there_is(surplus, part):
    have = np.array(surplus)
    total = int(have.sum() * part)
    given_up = share_by_surplus(have, total)
    assert given_up.sum() == total
    assert (given_up >= 0).all()
    assert (given_up <= have).all()


def test_repair_succeeds_every_time():
    # flwr-datasets 0.6.1 gives up in 20 of 20 draws here, and FedLab does not return.
    y = labels(5000, 10)
    split = make_partitioner("dirichlet", alpha=0.1, min_size=10, on_small="repair")
    for seed in range(100):
        repaired = split(y, 100, seed)
        assert repaired.sizes.min() >= 10
        assert 0 < repaired.moved < 1000


def test_repair_moves_no_more_than_it_needs():
    y = labels(500, 5)
    free = make_partitioner("dirichlet", alpha=0.1, on_small="allow")(y, 20, seed=1)
    fixed = make_partitioner("dirichlet", alpha=0.1, min_size=8, on_small="repair")(y, 20, seed=1)
    lack = int(np.maximum(8 - free.sizes, 0).sum())
    assert lack > 0
    assert fixed.moved == lack
    assert int((free.owners != fixed.owners).sum()) == lack


def test_raise_says_the_numbers():
    split = make_partitioner("dirichlet", alpha=0.05, min_size=10)
    with pytest.raises(ValueError, match=r"of 20 clients have fewer than min_size=10.*smallest"):
        split(labels(400, 4), 20)


def test_repair_that_cannot_be_done():
    split = make_partitioner("dirichlet", alpha=0.1, min_size=30, on_small="repair")
    with pytest.raises(
        ValueError, match="20 clients of min_size=30 need 600 examples, there are 40"
    ):
        split(labels(400, 4), 20)


def test_empty_clients_are_legal():
    y = labels(30, 3)
    split = make_partitioner("dirichlet", alpha=1e-5)(y, 10)
    assert (split.sizes == 0).sum() >= 7
    assert np.isfinite(list(split.metrics(y).values())).all()


def test_iid_sizes_differ_by_one_and_not_always_for_the_same_client():
    y = labels(103, 3)
    sizes = np.array([make_partitioner("iid")(y, 10, seed).sizes for seed in range(300)])
    assert set(np.unique(sizes)) == {10, 11}
    assert np.abs(sizes.mean(axis=0) - 10.3).max() < 5 * np.sqrt(0.21 / 300)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"alpha": 0}, "greater than 0, got 0.0"),
        ({"alpha": -1.5}, "got -1.5"),
        ({"alpha": float("nan")}, "got nan"),
        ({"alpha": float("inf")}, "got inf"),
        ({"alpha": "abc"}, "alpha must be of type float, got 'abc'"),
        ({"alpha": [0.0, 0.0]}, "not 0 everywhere"),
        ({"alpha": [1.0, -1.0]}, "at least 0"),
        ({"alpha": [1.0, float("nan")]}, "finite"),
        ({"alpha": []}, "not 0 everywhere"),
        ({"min_size": -1}, "at least 0, got -1"),
        ({"on_small": "rapair"}, "on_small"),
    ],
)
def test_refused_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        make_partitioner("dirichlet", **fields)


def test_vector_alpha_of_another_length():
    with pytest.raises(ValueError, match=r"num_clients=10, .* configured for 3 clients"):
        make_partitioner("dirichlet", alpha=[1, 2, 3])(labels(100, 2), 10)


def test_spelling_of_a_number_does_not_change_the_spec():
    assert partitioner_spec(make_partitioner("dirichlet", alpha=1)) == {
        "name": "dirichlet",
        "alpha": 1.0,
        "min_size": 0,
        "on_small": "raise",
        "balance": False,
        "target": None,
    }
    assert make_partitioner("dirichlet", alpha=1) == make_partitioner("dirichlet", alpha="1.0")


@pytest.mark.slow
def test_ten_million_examples_over_a_hundred_thousand_clients():
    y = labels(10_000_000, 20)
    split = make_partitioner("dirichlet", alpha=0.1, min_size=10, on_small="repair")(y, 100_000)
    assert split.sizes.min() == 10
