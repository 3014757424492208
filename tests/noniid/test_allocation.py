"""Shares to whole examples: nobody is favoured, and nothing is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.noniid.allocation.fill_by_mix import apportion_at_random, fill_clients
from fedbytes.noniid.allocation.largest_remainder import largest_remainder, share_by_surplus
from fedbytes.noniid.allocation.min_size import enforce_min_size
from fedbytes.noniid.allocation.random_shares import draw_equal_sizes

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
