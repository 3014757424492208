"""What a run will cost: its trainings, messages and evaluations, times what one of each took."""

import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.evaluation.evaluation_work import count_evaluations, count_own_models
from fedbytes.experiments.execution.cost_estimate import (
    Estimate,
    count_trainings,
    estimate,
    gpu_bytes_of_all,
    sweep_seconds,
)
from fedbytes.experiments.execution.costs.cost_trial import count_batches, make_trial
from fedbytes.experiments.execution.run_setup import make_problem, own_tests_of
from fedbytes.federated.hooks import Hooks


def test_seconds_are_those_of_all_trainings_and_evaluations(settings):
    def config(rounds, clients, every, start):
        fields = {"rounds": rounds, "clients_per_round": clients, "evaluate_every": every}
        return make_config(settings | fields | {"evaluate_start": start})

    # All have one model, task and algorithm, and so share a trial: their costs are exact sums.
    shapes = [
        (1, 1, 1, False),
        (1, 2, 1, False),
        (5, 2, 2, False),
        (5, 3, 5, True),
        (4, 1, 3, True),
    ]
    costs = estimate([config(*shape) for shape in shapes], 1)
    training, evaluation = costs[0].train_seconds, costs[0].evaluate_seconds
    assert training > 0
    assert evaluation > 0
    assert [c.train_seconds for c in costs] == pytest.approx(
        [training * count for count in (1, 2, 10, 15, 4)]
    )
    assert [c.evaluate_seconds for c in costs] == pytest.approx(
        [evaluation * count for count in (1, 1, 3, 2, 3)]
    )
    for cost in costs:
        parts = cost.setup_seconds, cost.train_seconds, cost.codec_seconds, cost.evaluate_seconds
        assert cost.seconds == pytest.approx(sum(parts))
        assert cost.codec_seconds > 0
        assert 1e8 < cost.memory_bytes < 1e11


def test_clients_that_pass_over_their_examples_work_by_their_batches(settings):
    algorithm = {"name": "fedavg", "local_epochs": 1, "batch_size": 8, "learning_rate": 0.01}
    split = {"name": "dirichlet", "alpha": 0.3, "num_clients": 4}
    fields = {"algorithm": algorithm, "partition": split, "clients_per_round": 2, "rounds": 3}
    fed = make_problem(make_config(settings | fields), Hooks()).federation
    batches = [-(-len(part) // 8) for part in fed.parts]
    drawn = [client for round_ in (1, 2, 3) for client in fed.context(round_).clients]
    for trained in range(4):
        expected = sum(batches[client] for client in drawn) / batches[trained]
        assert count_trainings(fed, 3, 1, batches[trained]) == pytest.approx(expected)
    assert len(set(batches)) > 1


def test_runs_of_other_splits_share_a_trial(settings):
    """The clients of the trial need not exist in another split, nor hold as much there."""
    algorithm = {"name": "fedavg", "local_epochs": 1, "batch_size": 8, "learning_rate": 0.01}

    def config(clients, alpha):
        split = {"name": "dirichlet", "alpha": alpha, "num_clients": clients}
        shared = {"algorithm": algorithm, "rounds": 2, "clients_per_round": 2, "adapter": "head"}
        return make_config(settings | shared | {"partition": split, "clients_at_once": 2})

    configs = [config(6, 0.3), config(2, 100), config(4, 1)]
    costs = estimate(configs, 1)
    feds = [make_problem(one, Hooks()).federation for one in configs]
    batches = [count_batches(fed, fed.context(1).clients + fed.context(2).clients) for fed in feds]
    assert len(set(batches)) > 1
    seconds = [one.train_seconds for one in costs]
    expected = [seconds[0] * count / batches[0] for count in batches]
    assert seconds == pytest.approx(expected)


def test_a_trial_is_of_as_many_clients_as_ever_train_together(settings):
    """Under Poisson sampling the first round has another number, or nobody."""
    drawn = {"sampling": "poisson", "clients_per_round": 2, "clients_at_once": 5}
    split = {"name": "iid", "num_clients": 6}
    shared = {"adapter": "head", "rounds": 3, "partition": split}
    problem = make_problem(make_config(settings | shared | drawn), Hooks())
    assert len(problem.federation.context(1).clients) < 5
    assert make_trial(problem).clients == 5
    fixed = {"clients_per_round": 3, "clients_at_once": 3}
    assert make_trial(make_problem(make_config(settings | shared | fixed), Hooks())).clients == 3


def test_processes_share_nothing_on_a_gpu():
    assert gpu_bytes_of_all(None, 4, 0) is None
    assert gpu_bytes_of_all(900, 1, 100) == 900
    assert gpu_bytes_of_all(900, 4, 100) == 3700


def cost(seconds):
    return Estimate("run", 0, 0, 0.0, float(seconds), 0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("seconds", "workers", "expected"),
    [([3, 3, 3], 1, 9), ([3, 3, 3], 2, 6), ([5, 1, 1, 1], 2, 5), ([1], 8, 1), ([1, 1, 6], 2, 7)],
)
def test_a_sweep_takes_as_long_as_its_busiest_worker(seconds, workers, expected):
    assert sweep_seconds([cost(s) for s in seconds], workers) == expected


def test_evaluations_of_clients_and_of_their_own_models_count(settings):
    split = {"name": "iid", "num_clients": 5}
    shared = {"adapter": "head", "partition": split, "rounds": 2}
    fields = {"local_steps": 1, "batch_size": 4, "learning_rate": 0.01}

    def problem(name, asked):
        config = make_config(
            settings | shared | {"algorithm": {"name": name, **fields}, "evaluate_clients": asked}
        )
        made = make_problem(config, Hooks())
        return made.federation, len(made.model.task.test), own_tests_of(config, made)[0]

    expected = {
        ("fedavg", False): (1, 0),
        ("fedavg", True): (2, 0),
        ("fedavg_ft", False): (1, 0),
        ("fedavg_ft", True): (2, 5),
        ("local", False): (5, 5),
        ("local", True): (6, 10),
    }
    for (name, asked), (models, made) in expected.items():
        fed, examples, own = problem(name, asked)
        assert count_evaluations(fed, examples, own) == pytest.approx(models), (name, asked)
        assert count_own_models(fed, own) == made, (name, asked)
    fed, examples, own = problem("fedavg", True)
    assert count_evaluations(fed, examples, own, processes=4) == pytest.approx(1.25)


def test_tuning_before_an_evaluation_is_in_its_seconds(settings):
    fields = {"local_steps": 1, "batch_size": 4, "learning_rate": 0.01}
    split = {"name": "iid", "num_clients": 3}
    shared = {"adapter": "head", "partition": split, "rounds": 1, "evaluate_clients": True}
    many, none = (
        make_config(
            settings | shared | {"algorithm": {"name": "fedavg_ft", "tune_steps": steps, **fields}}
        )
        for steps in (200, 0)
    )
    tuned, plain = (make_trial(make_problem(config, Hooks())) for config in (many, none))
    assert tuned.own_seconds > 10 * plain.own_seconds
    (cost,) = estimate([many], 1)
    assert cost.evaluate_seconds > 3 * 10 * plain.own_seconds
