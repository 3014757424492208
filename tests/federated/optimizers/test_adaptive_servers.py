"""Server optimisers against the paper's formulas, worked out by hand."""

import math

import pytest
import torch

from fedbytes.federated.algorithm import ALGORITHMS, make_algorithm
from fedbytes.federated.hooks import Upload

MEANS = [0.5, -2.0, 0.25]
RATE, TAU, BETA1, BETA2 = 0.1, 1e-2, 0.8, 0.9


def steps(algorithm):
    """Return the updates of one coordinate for the three means."""
    state, found = {}, []
    for mean in MEANS:
        update, state = algorithm.server([Upload(0, torch.tensor([mean]), 1)], state)
        found.append(float(update))
    return found


def by_hand(accumulate, beta1):
    m, v, found = 0.0, TAU**2, []
    for d in MEANS:
        m = beta1 * m + (1 - beta1) * d
        v = accumulate(v, d * d)
        found.append(RATE * m / (math.sqrt(v) + TAU))
    return found


RULES = {
    "fedadagrad": lambda v, s: v + s,
    "fedadam": lambda v, s: BETA2 * v + (1 - BETA2) * s,
    "fedyogi": lambda v, s: v - (1 - BETA2) * s * math.copysign(1, v - s),
}


@pytest.mark.parametrize("name", RULES)
def test_the_papers_formulas(name):
    betas = {"beta1": BETA1} | ({} if name == "fedadagrad" else {"beta2": BETA2})
    algorithm = make_algorithm(name, local_steps=1, server_learning_rate=RATE, tau=TAU, **betas)
    assert steps(algorithm) == pytest.approx(by_hand(RULES[name], BETA1), rel=1e-5)


def test_fedavgm_is_heavy_ball_or_nesterov():
    heavy = make_algorithm("fedavgm", local_steps=1, server_momentum=0.5, server_learning_rate=2.0)
    v1, v2 = MEANS[0], MEANS[1] + 0.5 * MEANS[0]
    v3 = MEANS[2] + 0.5 * v2
    assert steps(heavy) == pytest.approx([2 * v for v in (v1, v2, v3)])
    ahead = make_algorithm(
        "fedavgm", local_steps=1, server_momentum=0.5, server_optimizer="nesterov"
    )
    expected = [d + 0.5 * v for d, v in zip(MEANS, (v1, v2, v3), strict=True)]
    assert steps(ahead) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "plain"), [("fedadam", "adam"), ("fedyogi", "yogi"), ("fedadagrad", "adagrad")]
)
def test_fedavg_takes_them_by_name_with_the_papers_defaults(name, plain):
    for fields in ({}, {"server_learning_rate": RATE}, {"beta1": 0.5, "tau": 0.1}):
        named = make_algorithm(name, local_steps=1, **fields)
        by_field = make_algorithm("fedavg", local_steps=1, server_optimizer=plain, **fields)
        assert steps(by_field) == steps(named)


@pytest.mark.parametrize("plain", ["adam", "adagrad", "yogi"])
@pytest.mark.parametrize("name", ["fedavg", "fedprox", "diloco"])
def test_an_adaptive_server_moves_a_coordinate_by_its_rate(name, plain):
    algorithm = make_algorithm(name, local_steps=1, server_optimizer=plain)
    assert algorithm.server_learning_rate == 0.01
    state, moved = {}, []
    for _ in range(20):
        update, state = algorithm.server([Upload(0, torch.tensor([0.3]), 1)], state)
        moved.append(float(update))
    assert 0.002 < moved[0] < 0.011
    assert max(moved) < 0.03


def test_the_rate_of_sgd_is_what_it_was():
    assert make_algorithm("fedavg", local_steps=1).server_learning_rate == 1.0
    assert make_algorithm("diloco", local_steps=1).server_learning_rate == 0.7
    assert make_algorithm("sparseloco", local_steps=1).server_learning_rate == 1.0
    given = make_algorithm("fedavg", local_steps=1, server_optimizer="adam", server_learning_rate=1)
    assert given.server_learning_rate == 1.0


@pytest.mark.parametrize("name", ["fedavg", "fedadagrad"])
def test_adagrad_by_hand_with_an_initial_accumulator(name):
    chosen = {"server_optimizer": "adagrad"} if name == "fedavg" else {}
    algorithm = make_algorithm(
        name, local_steps=1, server_learning_rate=RATE, initial_accumulator=0.1, tau=TAU, **chosen
    )
    v, found = 0.1, []
    for d in MEANS:
        v += d * d
        found.append(RATE * d / (math.sqrt(v) + TAU))
    assert steps(algorithm) == pytest.approx(found, rel=1e-5)


def test_adagrad_without_a_first_moment_is_another_revision():
    def spec(**fields):
        return ALGORITHMS.spec(make_algorithm("fedavg", local_steps=1, **fields))

    assert spec(server_optimizer="adagrad")["revision"] == 2
    assert spec(server_optimizer="adagrad", beta1=0.9)["beta1"] == 0.9
    for others in ({"server_optimizer": "adagrad", "beta1": 0.9}, {"server_optimizer": "adam"}, {}):
        assert "revision" not in spec(**others)
    assert "revision" not in ALGORITHMS.spec(make_algorithm("fedadagrad", local_steps=1))


@pytest.mark.parametrize("field", ["beta1", "beta2", "tau", "initial_accumulator"])
def test_fields_of_an_adaptive_server_are_refused_elsewhere(field):
    with pytest.raises(ValueError, match=rf"{field}=0.5 is of an adaptive.*set server_optimizer"):
        make_algorithm("fedavg", local_steps=1, **{field: 0.5})


def test_the_specification_of_fedavg_is_as_it_was():
    assert ALGORITHMS.spec(make_algorithm("fedavg", local_steps=4)) == {
        "name": "fedavg",
        "local_steps": 4,
        "local_epochs": None,
        "batch_size": 16,
        "optimizer": "adamw",
        "learning_rate": 2e-3,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "max_grad_norm": None,
        "server_optimizer": "sgd",
        "server_learning_rate": 1.0,
        "server_momentum": 0.0,
    }


@pytest.mark.parametrize("name", RULES)
def test_they_learn(make_run, name):
    algorithm = make_algorithm(name, local_steps=3, learning_rate=0.05, server_learning_rate=0.1)
    run = make_run(4, algorithm=algorithm)
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(20)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > before + 0.3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"server_momentum": 0.9}, "set beta1, not server_momentum=0.9"),
        ({"beta2": 1.0}, r"beta2 must be in \[0, 1\), got 1.0"),
        ({"tau": 0.0}, "tau must be above 0, got 0.0"),
        ({"server_optimizer": "sgd"}, "server_optimizer must be one of adam, got 'sgd'"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_algorithm("fedadam", local_steps=1, **fields)


@pytest.mark.parametrize("name", ["fedadagrad", "fedavg"])
def test_adagrad_has_no_decay_of_its_second_moment(name):
    with pytest.raises(ValueError, match=r"beta2=0\.5 decays a second moment"):
        make_algorithm(name, server_optimizer="adagrad", local_steps=1, beta2=0.5)
