"""How far attacks get: measured on models, stored with runs, and for how long it lasts."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.data import split_of
from fedbytes.data.tokens.token_row import row_of
from fedbytes.experiments import load_results, load_runs, make_config, run
from fedbytes.experiments.execution.attack_success import half_life, last_attacked_round
from fedbytes.experiments.execution.preflight import check
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.federated import Hooks, make_attack
from fedbytes.models.testing.tiny_task import tiny_model_of

FOUR = {"rounds": 4, "clients_per_round": 4, "partition": {"name": "iid", "num_clients": 4}}
TRIGGER = {"name": "trigger", "share": 0.25, "until_round": 2}


def test_half_lives_by_hand():
    rounds = [8, 9, 10, 11, 12, 13]
    assert half_life(rounds, [0, 0, 0.9, 0.7, 0.2, 0.1], 10) == pytest.approx(1.5)
    assert half_life(rounds, [0, 0, 0.8, 0.8, 0.4, 0.1], 10) == pytest.approx(2.0)
    assert half_life([5, 10, 20], [0.5, 1.0, 0.0], 10) == pytest.approx(5.0)
    assert half_life([5, 20], [1.0, 0.0], 10) == pytest.approx(7.5)  # the last that was evaluated
    assert half_life(rounds, [0, 0, 0.9, 0.7, 0.6, 0.5], 10) is None
    assert half_life(rounds, [0, 0, 0, 0, 0, 0], 10) is None
    assert half_life([12], [0.5], 10) is None


def test_an_attack_that_goes_on_has_no_half_life():
    ends = make_attack(TRIGGER)
    assert last_attacked_round([ends, make_attack({"name": "pgd", "until_round": 5})]) == 5
    assert last_attacked_round([ends, make_attack("pgd")]) is None
    assert last_attacked_round([]) is None


@pytest.mark.parametrize("kind", ["classification", "causal-lm"])
def test_right_is_what_scores_say(kind):
    model = tiny_model_of("tiny-llama", {"name": "lora", "rank": 2}, kind)
    rows = [row_of(model.task.test, i) for i in range(6)]
    found = []
    for number, row in enumerate(rows):
        tokens = torch.tensor(row.tokens[None]).long()
        scores = model.network(tokens, torch.ones_like(tokens))[0]
        guess = scores.argmax(-1)
        right = (
            guess == row.label if kind == "classification" else (guess[:-1] == tokens[0, 1:]).all()
        )
        found.append(bool(right))
        assert model.share_right(split_of(f"row {number}", [row])) == float(found[-1])
    assert model.share_right(split_of("rows", rows)) == pytest.approx(sum(found) / 6)
    with pytest.raises(ValueError, match="another split of the name 'rows'"):
        model.share_right(split_of("rows", rows[:2]))


def test_what_a_greedy_model_would_write_is_right():
    model = tiny_model_of("tiny-llama", {"name": "lora", "rank": 2}, "causal-lm")
    row = row_of(model.task.test, 0)
    tokens = torch.tensor(row.tokens[None, :5]).long()
    next_one = int(model.network(tokens, torch.ones_like(tokens))[0, -1].argmax())
    for last, right in ((next_one, 1.0), (next_one + 1, 0.0)):
        asked = replace(
            row,
            tokens=np.append(row.tokens[:5], last).astype(np.int32),
            learned=np.array([False] * 5 + [True]),
        )
        assert model.share_right(split_of(f"asked {last}", [asked])) == right


def test_success_is_stored_round_by_round_and_its_half_life_at_the_end(settings, tmp_path):
    folder = run(make_config(settings | FOUR | {"attack": TRIGGER}), tmp_path)
    rows = load_results(tmp_path)
    assert rows["round"].tolist() == [1, 2, 3, 4]
    for column in ("attack_success", "attack_chance"):
        assert rows[column].between(0, 1).all()
    summary = load_runs(tmp_path).iloc[0]
    expected = half_life([1, 2, 3, 4], rows.attack_success.tolist(), 2)
    assert summary.attack_half_life == (pytest.approx(expected) if expected else None)
    assert summary.attack_success == rows.attack_success.iloc[-1]
    holdings = json.loads((folder.path / "holdings.json").read_text())
    phases = holdings["planted"]
    assert [phase["from_round"] for phase in phases] == [1, 3]
    assert list(phases[0]["planted"]) == [str(client) for client in holdings["attackers"]]
    assert all(0 < count <= phases[0]["holds"][c] for c, count in phases[0]["planted"].items())
    assert phases[1]["planted"] == {}
    provenance = json.loads((folder.path / "provenance.json").read_text())
    assert provenance["planted"] == phases
    attackers = [row["attackers"] for row in read_json_lines(folder.path / "deltas.jsonl")]
    assert attackers == [1, 1, 0, 0]


def test_two_attacks_with_something_to_show_have_a_column_each(settings, tmp_path):
    both = [TRIGGER, {"name": "label_flip", "share": 0.25}, "garbage"]
    run(make_config(settings | FOUR | {"attack": both, "rounds": 1}), tmp_path)
    (row,) = load_results(tmp_path).to_dict("records")
    assert {"attack_success", "attack_chance", "attack_success_2", "attack_chance_2"} <= set(row)
    assert "attack_success_3" not in row


def test_honest_clients_hold_and_train_what_they_did(settings):
    plain, attacked = (
        make_problem(make_config(settings | FOUR | extra), Hooks())
        for extra in ({}, {"attack": TRIGGER})
    )
    fed, other = plain.federation, attacked.federation
    (hostile,) = {c for c in range(4) if other.rows(c, 1) is not other.parts[c]}
    for client in range(4):
        for round_ in (1, 3):
            same = (fed.rows(client, round_) == other.rows(client, round_)).all()
            assert same == (client != hostile or round_ == 3)
    assert attacked.model.task.train.extends is not None
    assert attacked.model.task.test is not None
    states = [problem.model.initial_state for problem in (plain, attacked)]
    assert torch.equal(*states)


def test_kept_states_of_rows_are_those_of_the_plain_run(settings, tmp_path):
    """A run whose attackers rest has the bytes and the model of one without attack."""
    rest = {**TRIGGER, "from_round": 50, "until_round": 60}
    run(make_config(settings | FOUR), tmp_path / "plain")
    run(make_config(settings | FOUR | {"attack": rest}), tmp_path / "rests")
    plain, rests = (load_results(tmp_path / name) for name in ("plain", "rests"))
    for column in ("loss", "train_loss", "total_bytes", "accuracy"):
        assert plain[column].tolist() == rests[column].tolist()


def test_mistakes_are_found_before_any_run(settings):
    for attack, message in (
        ({**TRIGGER, "target": "nowhere"}, "labels have no 'nowhere'"),
        (
            {**TRIGGER, "trigger": "cf " * 40},
            "leaves no room for a text in rows of task.max_length",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            check([make_config(settings | FOUR | {"attack": attack})])
