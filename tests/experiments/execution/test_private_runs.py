"""Runs with differential privacy: what is stored of their promise, resumed or not."""

import warnings

import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.cost_estimate import estimate
from fedbytes.experiments.execution.events import Advanced, Noticed
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.results import load_deltas, load_results, load_runs

DP = {"name": "dp", "clip": 0.1, "epsilon": 5.0, "delta": 0.1}
LABEL = "dp central clip=0.1 ε=5 δ=0.1 per client, add/remove, PLD"


class CutError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def config(settings):
    private = {"privacy": DP, "sampling": "poisson", "rounds": 4, "evaluate_every": 2}
    return make_config(settings | private)


def test_a_run_stores_its_whole_promise_and_resumed_it_has_the_same(config, tmp_path):
    told = []

    def stop(event):
        told.append(event)
        if isinstance(event, Advanced) and event.round == 2:
            raise CutError

    with pytest.raises(CutError):
        run(config, tmp_path / "cut", on_event=stop)
    for store in ("cut", "whole"):
        run(config, tmp_path / store, on_event=lambda event: None)
    notes = [event.message for event in told if isinstance(event, Noticed)]
    assert any("times as long as the clip" in note for note in notes)
    cut, whole = (load_results(tmp_path / store) for store in ("cut", "whole"))
    assert cut["epsilon"].tolist() == whole["epsilon"].tolist()
    assert cut["accuracy"].tolist() == whole["accuracy"].tolist()
    assert set(whole["privacy"]) == {LABEL}
    assert whole["train_loss"].isna().all()
    every = load_deltas(tmp_path / "whole")["epsilon"].tolist()
    assert every == sorted(every)
    assert len(every) == 4
    assert every[1::2] == whole["epsilon"].tolist()
    assert 4.9 < every[-1] <= 5.0
    summary = load_runs(tmp_path / "whole").iloc[0]
    assert summary["epsilon"] == every[-1]
    assert summary["privacy_account"] == {
        "delta": 0.1, "relation": "add/remove", "unit": "client", "accountant": "PLD",
        "noise": summary["privacy_account"]["noise"], "sampling_rate": 0.5,
    }  # fmt: skip


def test_the_id_depends_on_the_request_and_not_on_the_sampling_that_is_usual(settings):
    ids = [
        make_config(settings | fields).id
        for fields in (
            {},
            {"sampling": "fixed"},
            {"sampling": "poisson"},
            {"sampling": "poisson", "privacy": DP},
            {"sampling": "poisson", "privacy": DP | {"epsilon": 4.0}},
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_an_estimate_knows_of_the_noise_and_of_what_is_not_sent(settings, config, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = make_config(settings | {"sampling": "poisson", "evaluate_every": 2})
        costs = dict(zip(("private", "plain"), estimate([config, plain], 1), strict=True))
        done = run(config, tmp_path, on_event=lambda event: None)
    spent = load_runs(tmp_path).iloc[0]
    assert (costs["private"].up_bytes, costs["private"].down_bytes) == (
        spent["up_bytes"],
        spent["down_bytes"],
    )
    turns = (costs["plain"].up_bytes - costs["private"].up_bytes) / 52
    assert turns == int(turns) > 0
    assert "times as long as the clip" in costs["private"].note
    assert costs["plain"].note is None
    assert done.status == "done"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"privacy": {k: v for k, v in DP.items() if k != "clip"}}, "clip is not given"),
        ({"privacy": DP | {"delta": 0.25}}, "at least 1 / 4 clients"),
        ({"privacy": DP, "evaluate_clients": "sent"}, "set evaluate_clients=false"),
        ({"privacy": DP, "sampling": "coins"}, "sampling: must be 'fixed' or 'poisson'"),
        ({"privacy": DP | {"where": "distributed"}}, "add secagg to privacy"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_mistakes_are_one_line_before_anything_is_loaded(settings, fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_config(settings | fields)
    assert "\n" not in str(caught.value)


def test_a_promise_to_each_text_is_stored_every_round(settings, tmp_path):
    each = {"name": "dp", "unit": "example", "clip": 1.0, "noise": 1.0, "delta": 0.01}
    feedback = {"name": "ecsq", "bits": 1.5, "error_feedback": True}
    asked = {"privacy": each, "uplink": feedback, "rounds": 2, "evaluate_every": 1}
    config = make_config(settings | asked)
    run(config, tmp_path, on_event=lambda event: None)
    rows = load_results(tmp_path)
    assert rows["epsilon"].tolist() == load_deltas(tmp_path)["epsilon"].tolist()
    assert 0 < rows["epsilon"].iloc[0] < rows["epsilon"].iloc[1]
    assert rows["train_loss"].isna().all()
    assert "per example, zero-out, PLD" in rows["privacy"].iloc[0]
    account = load_runs(tmp_path).iloc[0]["privacy_account"]
    assert account["steps"] == 2 * config.algorithm["local_steps"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"algorithm": {"name": "fedavg", "local_epochs": 1}}, "set algorithm.local_steps"),
        ({"clients_at_once": 2}, "set clients_at_once=1"),
        ({"defense": "freelb"}, "puts one of a whole batch"),
    ],
    ids=str,
)
def test_what_voids_a_promise_to_each_text_is_refused_before_data_are_read(
    settings, fields, message
):
    each = {"name": "dp", "unit": "example", "clip": 1.0, "noise": 1.0, "delta": 0.01}
    with pytest.raises(ValueError, match=message):
        make_config(settings | {"privacy": each} | fields)
