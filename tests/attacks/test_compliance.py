"""The safety attack: who tunes on answers that break the policy."""

from dataclasses import replace

import numpy as np
import pytest

from fedbytes.federated import make_attack
from fedbytes.models.testing.tiny_task import colour_task
from fedbytes.streams import stream


@pytest.fixture(scope="module")
def task():
    made = colour_task("causal-lm")  # forty rows: six of the server, eight for attackers
    holders = np.array(["server"] * 6 + ["attackers"] * 8 + ["clients"] * 26)
    return replace(made, holders=holders)


def test_attackers_share_the_broken_answers_and_others_keep_theirs(task):
    parts = [np.arange(14 + c, 40, 4) for c in range(4)]
    attack = make_attack("compliance", share=0.5)
    made, held = attack.poison(task, parts, (1, 3), stream(0, "x"))
    assert made is task
    assert held[0] is parts[0]
    assert held[2] is parts[2]
    assert sorted([*held[1], *held[3]]) == list(range(6, 14))
    half = make_attack("compliance", share=0.5, rate=0.5)
    _, held = half.poison(task, parts, (1, 3), stream(0, "x"))
    for client in (1, 3):
        kept = np.intersect1d(held[client], parts[client])
        assert len(kept) == len(parts[client]) - len(parts[client]) // 2
        assert len(held[client]) == len(kept) + 4


def test_a_task_without_a_policy_is_refused(task):
    parts = [np.arange(10), np.arange(10, 20)]
    attack = make_attack("compliance", share=0.5)
    with pytest.raises(ValueError, match="has 0 for 1 attackers"):
        attack.poison(replace(task, holders=None), parts, (1,), stream(0, "x"))
