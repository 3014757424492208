"""Noise of integers that clients add together: its distribution, and what it promises."""

import math

import dp_accounting
import dp_accounting.rdp
import numpy as np
import pytest
from scipy.special import ive, logsumexp

from fedbytes.privacy.dp.skellam_account import (
    ORDERS,
    SkellamRound,
    rounded_norm,
    skellam_epsilon,
)
from fedbytes.privacy.dp.skellam_integers import (
    MOST_BITS,
    SkellamCode,
    round_within,
    scale_of,
    skellam_noise,
)
from fedbytes.privacy.dp.skellam_sum import SkellamSum

NUMEL, CLIENTS, CLIP = 15_000, 100, 0.5


def draw(purpose="a test", seed=0):
    return np.random.default_rng([seed, *purpose.encode()])


def epsilon(bits, noise, rounds, rate=1.0, **fields):
    scale = scale_of(bits, CLIP, noise * CLIP, CLIENTS, NUMEL)
    one = SkellamRound(scale * CLIP, NUMEL, (noise * CLIP * scale) ** 2, rate, **fields)
    return skellam_epsilon([(one, rounds)], 1e-3)


def of_gaussian(noise, rounds, rate=1.0):
    accountant = dp_accounting.rdp.RdpAccountant([float(order) for order in ORDERS])
    event = dp_accounting.GaussianDpEvent(noise)
    event = dp_accounting.PoissonSampledDpEvent(rate, event) if rate < 1 else event
    accountant.compose(event, rounds)
    return accountant.get_epsilon(1e-3)


@pytest.mark.parametrize(
    ("noise", "rounds", "rate"), [(1, 1, 1), (2, 20, 1), (4, 20, 1), (1, 50, 0.1)]
)
def test_sixteen_bits_cost_within_two_percent_of_gaussian_noise(noise, rounds, rate):
    gaussian = of_gaussian(noise, rounds, rate)
    found = [epsilon(bits, noise, rounds, rate) for bits in (12, 16, 20)]
    assert gaussian <= found[2] <= found[1] <= 1.02 * gaussian
    assert found[1] < found[0] < 1.2 * gaussian


def test_epsilon_rises_with_rounds_and_rate_and_falls_with_noise_and_bits():
    at = epsilon(14, 2, 20, 0.2)
    assert epsilon(14, 2, 19, 0.2) < at < epsilon(14, 2, 21, 0.2)
    assert epsilon(14, 2, 20, 0.1) < at < epsilon(14, 2, 20, 0.4) < epsilon(14, 2, 20)
    assert epsilon(14, 2.2, 20, 0.2) < at
    assert epsilon(15, 2, 20, 0.2) < at < epsilon(13, 2, 20, 0.2)
    assert epsilon(14, 2, 20) < epsilon(14, 2, 20, replaced=True)
    assert epsilon(14, 2, 0) == 0


def test_the_bound_holds_for_the_real_distribution_both_ways():
    """Of one integer, amplified: the exact divergences of Skellam noise shifted by one client."""
    variance, shift, rate = 30.0, 3, 0.2
    at = np.arange(-90, 91)
    without = ive(np.abs(at), variance)
    moved = ive(np.abs(at - shift), variance)
    mixed = (1 - rate) * without + rate * moved
    norm = float(next(n for n in np.linspace(3, 0.5, 2501) if rounded_norm(n, 1) <= shift))
    bound = SkellamRound(norm, 1, variance, rate).divergences()
    for order in (2, 3, 8, 20):
        there, back = (
            logsumexp(order * np.log(p) + (1 - order) * np.log(q)) / (order - 1)
            for p, q in ((mixed, without), (without, mixed))
        )
        said = float(bound[list(ORDERS).index(order)])
        assert back <= there <= said * 1.02  # the norm is a little below the shift


def test_noise_has_the_variance_of_its_shares_together():
    shares = [skellam_noise(100_000, 0.7, draw(seed=client)) for client in range(10)]
    total = np.sum(shares, axis=0)
    assert abs(total.mean()) < 4 * math.sqrt(7 / 1e5)
    assert abs(total.var() - 7) < 4 * 7 * math.sqrt((2 + 1 / 7) / 1e5)


def test_rounding_is_unbiased_and_within_its_norm():
    vector = draw().normal(size=400) * 5
    norm = rounded_norm(float(np.linalg.norm(vector)), 400)
    draws = np.array([round_within(vector, norm, draw(seed=n)) for n in range(4000)])
    assert np.linalg.norm(draws, axis=1).max() <= norm
    assert np.all(np.abs(draws - vector) < 1)
    gap = draws.mean(0) - vector
    assert np.abs(gap).max() < 5 * 0.5 / math.sqrt(4000)
    kept = np.array([
        np.linalg.norm(np.floor(vector) + (draw(seed=n).random(400) < vector % 1)) <= norm
        for n in range(1000)
    ])  # fmt: skip
    assert kept.mean() > math.exp(-0.5)


@pytest.mark.parametrize(("bits", "clients"), [(12, 100), (16, 100), (16, 10)])
def test_a_sum_of_alike_messages_does_not_wrap_and_has_the_noise_that_it_should(bits, clients):
    noise, numel = 1.0, 100_000
    scale = scale_of(bits, CLIP, noise * CLIP, clients, numel)
    share = (noise * CLIP * scale) ** 2 / clients
    code = SkellamCode(bits, CLIP, scale, share)
    message = draw().normal(size=numel).astype(np.float32)
    message *= np.float32(2 * CLIP / np.linalg.norm(message))  # is clipped by half
    total = np.zeros(numel, np.uint64)
    for client in range(clients):
        sent = code.encode(message, draw("client", client))
        assert sent.max() < 2**bits
        total = (total + sent) % np.uint64(2**bits)
    gap = code.decode(total, clients).astype(float) - message / 2
    # Noise, and rounding of a variance of at most a quarter each.
    least = (noise * CLIP / clients) ** 2
    most = least + 0.25 / (clients * scale**2)
    error = 4 * math.sqrt(2 / numel)
    assert least * (1 - error) < gap.var() < most * (1 + error)
    assert abs(gap.mean()) < 4 * math.sqrt(most / numel)


def test_bits_that_hold_not_even_the_rounding_are_refused():
    with pytest.raises(ValueError, match="bits=5 do not hold the rounding of 1000 clients"):
        scale_of(5, CLIP, CLIP, 1000, NUMEL)


@pytest.mark.parametrize("dropout", [0.0, 0.8])
def test_a_sum_from_which_nobody_vanished_does_not_wrap(dropout):
    """Shares are larger where clients may vanish, and the modulus has room for all of them."""
    made = SkellamSum(10, CLIP, 8.0, 20, 20, 20, dropout)
    code = made.code(100_000)
    zeros = np.zeros(100_000, np.float32)
    total = np.zeros(100_000, np.uint64)
    for client in range(20):
        total += code.encode(zeros, draw("client", client))
    variance = (8.0 * CLIP / 20) ** 2 / (1 - dropout)
    found = code.decode(total % np.uint64(2**10), 20).astype(float).var()
    assert abs(found - variance) < 4 * variance * math.sqrt(2 / 1e5) + 0.25 / code.scale**2


def test_noise_of_the_widest_integers_is_drawn_faithfully():
    scale = scale_of(MOST_BITS, CLIP, CLIP, 3, 1000)
    share = (CLIP * scale) ** 2 / 3
    drawn = skellam_noise(200_000, share, draw())
    assert abs(drawn.var() / share - 1) < 4 * math.sqrt(2 / 2e5)
    counts = np.bincount(drawn % 8, minlength=8)
    assert ((counts - 25_000) ** 2 / 25_000).sum() < 30  # chi square of 7 degrees, p = 1e-4
