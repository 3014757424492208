"""Epsilon is what `dp-accounting` says, for the sampling that a run really has."""

import math

import dp_accounting
import dp_accounting.pld
import dp_accounting.rdp
import pytest
from scipy.stats import norm

from fedbytes.privacy.dp.calibration import least_noise
from fedbytes.privacy.dp.gaussian_account import GRID, Sampled, gaussian_cost, loss_grid


def gaussian_epsilon(noise, rounds, delta, sampled):
    return gaussian_cost(noise, rounds, delta, sampled).epsilon


ADD, REPLACE = Sampled("add/remove"), Sampled("replace-one")


@pytest.mark.parametrize(
    ("noise", "rate", "rounds", "delta", "epsilon"),
    [
        (1, 1, 1, 1e-5, 4.377),
        (2, 1, 20, 1e-3, 8.787),
        (4, 1, 20, 1e-3, 3.605),
        (10, 1, 20, 1e-3, 1.183),
        (1, 0.01, 1000, 1e-5, 1.829),
        (1, 0.1, 100, 1e-5, 7.047),
        (0.8, 0.1, 50, 1e-3, 5.249),
        (1, 0.2, 20, 1e-2, 2.986),
        (0.7784, 0.1, 100, 1e-3, 8.000),
    ],
)
def test_epsilon_of_coins_meets_reference_values(noise, rate, rounds, delta, epsilon):
    sampled = Sampled("add/remove", 1000, round(1000 * rate))
    assert gaussian_epsilon(noise, rounds, delta, sampled) == pytest.approx(epsilon, rel=1e-3)


def test_replacing_a_client_costs_more_than_adding_one():
    assert gaussian_epsilon(2, 20, 1e-3, REPLACE) == pytest.approx(23.06, rel=1e-3)
    assert gaussian_epsilon(2, 20, 1e-3, ADD) == pytest.approx(8.787, rel=1e-3)


def test_of_the_accountants_rdp_alone_needs_half_the_noise_for_a_replaced_client():
    """Under replace-one a client moves the sum by 2 C; when dp-accounting's RDP knows it as well,
    the halving has to go (google/differential-privacy, issue 378)."""
    relation = dp_accounting.NeighboringRelation.REPLACE_ONE
    rdp = dp_accounting.rdp.RdpAccountant(neighboring_relation=relation)
    pld = dp_accounting.pld.PLDAccountant(relation, value_discretization_interval=1e-3)
    for accountant, noise in ((rdp, 1), (pld, 2)):
        accountant.compose(dp_accounting.GaussianDpEvent(noise), 20)
    exact, bound = pld.get_epsilon(1e-3), rdp.get_epsilon(1e-3)
    assert exact < bound < 1.1 * exact


def test_of_a_fixed_number_the_better_bound_is_taken():
    few, most = (Sampled("replace-one", 1000, n) for n in (10, 990))
    assert gaussian_cost(2, 20, 1e-3, few).accountant == "RDP"
    assert gaussian_cost(2, 20, 1e-3, most) == gaussian_cost(2, 20, 1e-3, REPLACE)


def test_a_fixed_number_is_accounted_by_rdp_of_half_the_noise():
    # At noise 2 this is what dp-accounting says of noise 1 over the sensitivity.
    sampled = Sampled("replace-one", 100, 10)
    assert gaussian_epsilon(2, 100, 1e-5, sampled) == pytest.approx(14.054, rel=1e-3)
    assert gaussian_epsilon(2, 100, 1e-3, sampled) == pytest.approx(10.815, rel=1e-3)


@pytest.mark.parametrize("sampled", [ADD, REPLACE, Sampled("add/remove", 10, 2),
                                     Sampled("replace-one", 10, 2)], ids=str)  # fmt: skip
def test_epsilon_rises_with_rounds_and_falls_with_noise_and_delta(sampled):
    at = gaussian_epsilon(1.5, 10, 1e-3, sampled)
    assert gaussian_epsilon(1.5, 0, 1e-3, sampled) == 0
    assert gaussian_epsilon(1.5, 9, 1e-3, sampled) < at < gaussian_epsilon(1.5, 11, 1e-3, sampled)
    assert gaussian_epsilon(1.6, 10, 1e-3, sampled) < at < gaussian_epsilon(1.4, 10, 1e-3, sampled)
    assert gaussian_epsilon(1.5, 10, 2e-3, sampled) < at


@pytest.mark.parametrize("relation", ["add/remove", "replace-one"])
def test_epsilon_rises_with_the_share_of_clients(relation):
    found = [gaussian_epsilon(1.5, 10, 1e-3, Sampled(relation, 100, n)) for n in (5, 10, 20, 100)]
    assert found == sorted(found)
    assert found[0] < found[-1] / 3


@pytest.mark.parametrize("sampled", [ADD, REPLACE], ids=str)
def test_many_gaussians_are_one_of_less_noise(sampled):
    many = gaussian_epsilon(3.0, 16, 1e-4, sampled)
    assert many == gaussian_epsilon(3.0 / 4, 1, 1e-4, sampled)


@pytest.mark.parametrize("sampled", [ADD, REPLACE, Sampled("add/remove", 10, 2)], ids=str)
def test_noise_that_hides_nothing_has_an_epsilon_as_well(sampled):
    found = [gaussian_epsilon(noise, 3, 1e-3, sampled) for noise in (0.2, 0.05, 0.01)]
    assert found == sorted(found)
    assert found[1] > 500
    assert found[-1] > 10_000


@pytest.mark.parametrize("noise", [0.02, 0.3, 1.0])
def test_many_rounds_of_little_noise_are_accounted_for_within_a_percent(noise):
    """By the closed form for Gaussian noise (Balle and Wang 2018), on a grid of bounded size."""
    rounds = 5000
    found, ratio = gaussian_epsilon(noise, rounds, 1e-3, ADD), noise / math.sqrt(rounds)

    def log_delta(epsilon):
        ends = [sign / (2 * ratio) - epsilon * ratio for sign in (1, -1)]
        first, second = (float(norm.logcdf(end)) for end in ends)
        return first + math.log1p(-math.exp(epsilon + second - first))

    assert log_delta(found) <= math.log(1e-3) < log_delta(0.99 * found)
    assert found / loss_grid(noise, rounds, ADD) < 1e6
    assert loss_grid(0.6, 1000, Sampled("add/remove", 1000, 100)) == GRID


@pytest.mark.parametrize(("epsilon", "noise"), [(1, 11.514), (2, 6.463)])
def test_noise_is_calibrated_to_reference_values(epsilon, noise):
    def epsilon_of(one):
        return gaussian_epsilon(one, 20, 1e-3, ADD)

    found = least_noise(epsilon_of, epsilon)
    assert found == pytest.approx(noise, rel=1e-3)
    assert epsilon_of(found) <= epsilon < epsilon_of(found - 2e-4)
    assert round(found, 4) == found


@pytest.mark.parametrize("epsilon", [1.5, 8, 51, 63, 64, 99, 1e6])
def test_calibrated_noise_is_the_least_of_four_decimals_that_is_tried(epsilon):
    """Of a promise that costs one over the noise, whose answers are known."""
    asked = []

    def epsilon_of(noise):
        asked.append(noise)
        return 1 / noise

    found = least_noise(epsilon_of, epsilon)
    assert found == max(0.01, math.ceil(1e4 / epsilon) / 1e4)
    assert min(asked) >= 0.01


def test_no_noise_is_enough_for_nothing():
    with pytest.raises(ValueError, match=r"no noise gives epsilon=1, .* raise epsilon or delta"):
        least_noise(lambda noise: 2 + 1 / noise, 1)
