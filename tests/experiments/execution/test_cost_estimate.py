"""What a run will cost: its trainings and its evaluations, times what one of each took."""

import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.cost_estimate import estimate


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
    one, two, *others = [cost.seconds for cost in estimate([config(*s) for s in shapes], 1)]
    training, evaluation = two - one, 2 * one - two
    expected = [10 * training + 3 * evaluation, 15 * training + 2 * evaluation]
    expected += [4 * training + 3 * evaluation]
    assert others == pytest.approx(expected)
    assert training > 0
    assert evaluation > 0
