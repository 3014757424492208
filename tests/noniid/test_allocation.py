"""Shares to whole examples: nobody is favoured, and nothing is lost."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedbytes.noniid.allocation.fill_by_mix import apportion_at_random, fill_clients
from fedbytes.noniid.allocation.largest_remainder import largest_remainder, share_by_surplus
from fedbytes.noniid.allocation.min_size import enforce_min_size
from fedbytes.noniid.allocation.proportional_fitting import fit_margins, fit_table
from fedbytes.noniid.allocation.random_shares import draw_equal_sizes
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget, Strength, solve_strength

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)


@settings(deadline=None)
@given(WEIGHTS, st.integers(0, 60))
def test_the_largest_remainders_are_rounded_up(weights: list[int], total: int) -> None:
    shares = np.array(weights) / sum(weights)
    counts = largest_remainder(shares, total, np.random.default_rng(0))
    exact = shares * total
    assert counts.sum() == total
    assert np.all(np.abs(counts - exact) < 1 + 1e-9)
    up, rest = counts > exact + 1e-9, exact - np.floor(exact + 1e-9)
    down = (counts < exact - 1e-9) & ~up
    if up.any() and down.any():
        assert rest[up].min() >= rest[down].max() - 1e-9


def test_who_gets_one_more_is_drawn() -> None:
    draws = np.array([draw_equal_sizes(7, 4, np.random.default_rng(seed)) for seed in range(200)])
    assert np.all(draws.sum(axis=1) == 7)
    more = (draws == 2).mean(axis=0)
    assert np.all(np.abs(more - 0.75) < 0.15)


def test_who_fills_up_first_is_drawn() -> None:
    """Two classes of five; all want the first, which one client of the two can have."""
    firsts = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        table = fill_clients(
            lambda _: np.array([1.0, 0.0]),
            np.array([5, 5]),
            np.array([5, 5]),
            apportion_at_random(rng),
            rng,
        )
        firsts.append(int(np.argmax(table.dense()[:, 0])))
    assert 70 < sum(firsts) < 130


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=8), st.integers(1, 6))
@example([0, 6, 30], 6)
def test_a_repair_moves_the_fewest_examples_and_leaves_nobody_short(
    sizes: list[int], least: int
) -> None:
    owners = np.repeat(np.arange(len(sizes)), sizes)
    if sum(sizes) < least * len(sizes):
        return
    split = enforce_min_size(owners, len(sizes), least, "repair", np.random.default_rng(1))
    assert split.sizes.min() >= least
    assert split.moved == sum(max(least - size, 0) for size in sizes)
    assert int((split.owners != owners).sum()) == split.moved


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.data())
def test_nobody_gives_more_than_its_surplus(surplus: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(surplus)))
    given_ = share_by_surplus(np.array(surplus), total)
    assert given_.sum() == total
    assert np.all(given_ <= np.array(surplus))


def test_a_fitted_table_is_rounded_to_its_nearest_numbers() -> None:
    up, down = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        counts = rng.integers(1, 20, (4, 5))
        clients, categories = np.indices((4, 5)).reshape(2, -1)
        sizes = rng.permutation(counts.sum(axis=1))
        table = Contingency(clients, categories, counts.ravel(), 4, 5)
        totals = counts.sum(axis=0)
        weights = fit_margins(table, sizes, totals)
        fitted = fit_table(table, sizes, totals, rng)
        assert np.all(np.bincount(fitted.clients, fitted.counts) <= sizes)
        assert np.all(np.bincount(fitted.categories, fitted.counts) <= totals)
        rest = weights - np.floor(weights)
        raised = fitted.counts > weights
        up += rest[raised].tolist()
        down += rest[~raised].tolist()
    assert np.mean(up) > 0.6
    assert np.mean(down) < 0.4


def test_a_target_ends_with_the_nearest_of_all_that_was_tried() -> None:
    strength = Strength("alpha", even=0.0, skewed=1.0)
    for seed in range(20):
        noise, tried = np.random.default_rng(seed), []

        def split(value: float, noise: Any = noise, tried: list[Any] = tried) -> Any:
            nmi = float(np.clip(value + noise.normal(0, 0.05), 0, 1))
            tried.append(SimpleNamespace(solved={"nmi": nmi}, num_clients=3))
            return tried[-1]

        found = solve_strength(strength, HeterogeneityTarget(0.437), split)
        gaps = [abs(one.solved["nmi"] - 0.437) for one in tried]
        assert abs(found.solved["nmi"] - 0.437) == min(gaps)
        assert len(tried) <= 42
