"""Each client's own view of a run: its own tests, what it said, and the model that it has."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fedbytes.experiments import load_clients, load_ledger, load_results, make_config, run
from fedbytes.experiments.evaluation.client_metrics import mean_metrics, sum_up
from fedbytes.experiments.evaluation.own_tests import split_tests
from fedbytes.experiments.execution.cost_estimate import estimate
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.run_setup import make_problem, own_tests_of
from fedbytes.experiments.execution.traffic_forecast import Sample, foretell
from fedbytes.experiments.kept.export_model import find_kept
from fedbytes.federated import Hooks, Simulation
from fedbytes.noniid import Partition, make_partitioner

STEPS = {"local_steps": 4, "learning_rate": 0.01}
OURS = ("examples", "accuracy", "macro_f1", "loss")


def with_algorithm(settings: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    algorithm = {"name": name, **STEPS, **fields}
    clients = {"name": "classes", "classes_per_client": 1, "num_clients": 3}
    changes = {"algorithm": algorithm, "partition": clients, "adapter": "lora", "rounds": 2}
    changes |= {"evaluate_clients": True, "codec": "fp32", "clients_per_round": None}
    return settings | changes


def test_metrics_of_clients_sum_up_to_mean_worst_tenth_and_spread() -> None:
    values = np.linspace(0.1, 0.9, 20)
    found = sum_up([{"accuracy": v, "loss": 1 - v} for v in np.roll(values, 7)])
    assert found == {
        "own_accuracy": pytest.approx(0.5),
        "own_accuracy_worst_decile": pytest.approx((values[0] + values[1]) / 2),
        "own_accuracy_spread": pytest.approx(values.std()),
    }
    worst = sum_up([{"perplexity": v} for v in (3.0, 9.0, 6.0)])
    assert worst["own_perplexity_worst_decile"] == 9.0
    assert sum_up([]) == {}
    assert mean_metrics([{"a": 1.0}, {"a": 4.0}]) == {"a": 2.5}


def test_a_client_whose_perplexity_is_infinite_makes_the_spread_infinite() -> None:
    rows = [{"perplexity": value} for value in (2.0, math.inf, 3.0)]
    found = sum_up(rows)
    assert found["own_perplexity_spread"] == math.inf
    assert found["own_perplexity_worst_decile"] == math.inf


def test_own_tests_hold_the_shares_of_the_training_examples() -> None:
    train = np.repeat(["a", "b"], [60, 30])
    test = np.repeat(["a", "b"], [20, 10])
    partition = make_partitioner("classes", classes_per_client=1)(train, 2, 0)
    parts, note = split_tests(partition, train, "label", {"label": train}, {"label": test}, 0)
    assert note == ""
    for own, part in zip(parts, partition.indices, strict=True):
        assert set(test[own]) == set(train[part])
    assert sum(map(len, parts)) == 30
    assert np.array_equal(np.unique(np.concatenate(parts)), np.arange(30))


def test_own_tests_follow_labels_or_sizes_where_the_factor_is_lacking() -> None:
    label, test = np.repeat(["a", "b"], 30), np.repeat(["a", "b"], 10)
    partition = Partition((np.arange(30), np.arange(30, 60)))
    columns = {"label": label}, {"label": test}
    parts, note = split_tests(partition, np.arange(60) % 3, "clusters", *columns, 0)
    assert "follow the labels" in note
    assert [set(test[own]) for own in parts] == [{"a"}, {"b"}]
    uneven = Partition((np.arange(15), np.arange(15, 60)))
    lengths = {"length": np.ones(60)}, {"length": np.ones(20)}
    parts, note = split_tests(uneven, label, "speaker", *lengths, 0)
    assert "by size" in note
    assert [len(own) for own in parts] == [5, 15]


def test_every_client_is_measured_on_its_own_tests_and_says_its_loss(
    settings: dict[str, Any], tmp_path: Any
) -> None:
    config = make_config(with_algorithm(settings, "fedavg"))
    assert (
        config.id
        != make_config(with_algorithm(settings, "fedavg") | {"evaluate_clients": False}).id
    )
    folder = run(config, tmp_path)
    clients, results = load_clients(tmp_path), load_results(tmp_path)
    assert len(clients) == 3 * 2
    problem = make_problem(config, Hooks())
    simulation = Simulation(problem.federation)
    reports = [simulation.run_round() for _ in range(2)]
    model = problem.model
    model.set_state(simulation.state.model)
    tests, _ = own_tests_of(config, problem)
    last = clients[clients["round"] == 2].set_index("client")
    for client, rows in enumerate(tests):
        wanted = model.evaluate_rows(rows)
        assert last.loc[client, list(OURS)].tolist() == [len(rows), *(wanted[k] for k in OURS[1:])]
        count, loss = reports[1].reported[client]
        assert last.loc[client, ["train_examples", "train_loss"]].tolist() == [count, loss]
    row = results[results["round"] == 2].iloc[0]
    assert row["own_accuracy"] == pytest.approx(last["accuracy"].mean())
    assert row["train_loss"] == pytest.approx(
        np.average(last["train_loss"], weights=last["train_examples"])
    )
    # On the server it is free, and changes nothing else.
    plain = run(
        make_config(with_algorithm(settings, "fedavg") | {"evaluate_clients": False}),
        tmp_path / "plain",
    )
    whole, bare = (pd.read_json(f.path / "rounds.jsonl", lines=True) for f in (folder, plain))
    shared = [column for column in bare if column != "seconds"]
    assert whole[shared].equals(bare[shared])
    assert not (plain.path / "clients.jsonl").exists()
    assert load_clients(tmp_path / "plain").empty


def test_local_training_sends_nothing_and_is_best_at_home(
    settings: dict[str, Any], tmp_path: Any
) -> None:
    config = make_config(with_algorithm(settings, "local") | {"keep": "adapter"})
    folder = run(config, tmp_path)
    row = load_results(tmp_path).iloc[-1]
    assert row[["up_bytes", "down_bytes", "total_bytes"]].tolist() == [0, 0, 0]
    assert load_ledger(tmp_path).empty
    assert row["own_accuracy"] == 1.0  # each client has one class, and knows no other
    problem = make_problem(config, Hooks())
    found = []
    for client in range(3):  # each model is a third right on everybody's tests
        path = find_kept(folder.path, f"{client:03d}")
        assert (path / "adapter_model.safetensors").is_file()
    del found
    assert row["accuracy"] == pytest.approx(1 / 3, abs=0.05)
    assert foretell(problem.federation, 2, Sample(problem.model.get_state()))[:2] == (0, 0)
    with pytest.raises(ValueError, match="add --client 000"):
        find_kept(folder.path)


def test_centralised_training_sends_texts_once_as_foretold(
    settings: dict[str, Any], tmp_path: Any
) -> None:
    config = make_config(with_algorithm(settings, "centralised"))
    run(config, tmp_path)
    ledger, train = load_ledger(tmp_path), config.components.task.load().train
    assert set(ledger["kind"]) == {"texts"}
    assert set(ledger["direction"]) == {"up"}
    labels = train.columns["label"].tolist()
    strings = [
        len(text.encode()) + len(label.encode())
        for text, label in zip(train.texts, labels, strict=True)
    ]
    assert ledger["payload_bytes"].sum() == sum(strings) + 8 * len(train) + 9 * 3
    row = load_results(tmp_path).iloc[-1]
    assert row["total_bytes"] == row["up_bytes"] == ledger["message_bytes"].sum()
    problem = make_problem(config, Hooks())
    foretold = foretell(problem.federation, 2, Sample(problem.model.get_state()))
    assert foretold[:2] == (row["up_bytes"], 0)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("fedper", {}), ("ditto", {"pull": 0.01}), ("fedavg_ft", {"tune_steps": 8})],
)
def test_personal_models_are_measured_and_kept(
    settings: dict[str, Any], name: str, fields: dict[str, Any], tmp_path: Any
) -> None:
    """On clients of one class each, whoever adapts is right at home."""
    config = make_config(with_algorithm(settings, name, **fields) | {"keep": "adapter"})
    folder = run(config, tmp_path)
    row = load_results(tmp_path).iloc[-1]
    assert row["own_accuracy"] == 1.0
    assert row["accuracy"] < 1.0
    from fedbytes.models import load_kept

    task = config.components.task.load()
    for client in range(3):
        kept = load_kept(find_kept(folder.path, f"{client:03d}"))
        labels = {kept.facts.labels[i] for i in kept.probabilities(task.test.texts).argmax(1)}
        assert len(labels) == 1 or name != "fedper"
    assert (folder.model / "fedbytes.json").is_file() == (name != "fedper")


def test_a_cut_run_with_personal_models_ends_as_an_undisturbed_one(
    settings: dict[str, Any], tmp_path: Any
) -> None:
    class CutError(Exception):
        pass

    def cut(event: Any) -> None:
        if isinstance(event, Advanced) and event.round == 1:
            raise CutError

    for name in ("local", "centralised", "fedrep"):
        config = make_config(with_algorithm(settings, name) | {"rounds": 3, "evaluate_start": True})
        whole = run(config, tmp_path / "whole")
        with pytest.raises(CutError):
            run(config, tmp_path / "cut", on_event=cut)
        again = run(config, tmp_path / "cut")
        files = ["rounds.jsonl", "clients.jsonl", "deltas.jsonl"]
        assert (again.path / "reports.jsonl").exists() == (name != "centralised")
        for file in files + ["reports.jsonl"] * (name != "centralised"):
            rows = [
                [
                    {k: v for k, v in json.loads(line).items() if k != "seconds"}
                    for line in (folder.path / file).read_text().splitlines()
                ]
                for folder in (whole, again)
            ]
            assert rows[0] == rows[1], (name, file)


@pytest.mark.parametrize("initial", ["full", "seed"])
def test_what_clients_send_of_their_tests_is_priced_as_foretold(
    settings: dict[str, Any], initial: str, tmp_path: Any
) -> None:
    changes = {"initial": initial, "clients_per_round": 1, "rounds": 5, "evaluate_every": 2}
    fields = with_algorithm(settings, "fedavg") | changes
    config = make_config(fields | {"evaluate_clients": "sent"})
    run(config, tmp_path / "sent")
    run(make_config(fields), tmp_path / "free")
    ledger = load_ledger(tmp_path / "sent")
    said = ledger[ledger["kind"] == "evaluation"]
    assert said.groupby("round")["client"].apply(list).to_dict() == {
        round_: [0, 1, 2] for round_ in (2, 4, 5)
    }
    assert set(said["message_bytes"]) == {40 + 20}
    # Who is up to date after round 2 is sent nothing when round 3 begins.
    third = ledger[(ledger["round"] == 3) & (ledger["direction"] == "down")]
    assert third.empty
    sent, free = (load_clients(tmp_path / name).iloc[:, 1:] for name in ("sent", "free"))
    pd.testing.assert_frame_equal(sent, free, rtol=1e-6)
    row = load_results(tmp_path / "sent").iloc[-1]
    assert row["total_bytes"] == ledger["message_bytes"].sum()
    (cost,) = estimate([config], 1)
    assert (cost.up_bytes, cost.down_bytes) == (row["up_bytes"], row["down_bytes"])


@pytest.mark.parametrize("name", ["local", "centralised", "flasc"])
def test_who_is_not_kept_in_step_sends_no_evaluation(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match="set evaluate_clients=true"):
        make_config(with_algorithm(settings, name) | {"evaluate_clients": "sent"})


def test_packed_rows_have_no_clients_of_their_own(settings: dict[str, Any]) -> None:
    task = settings["task"] | {"kind": "causal-lm", "pack": True}
    changes = {"task": task, "model": "tiny-llama", "evaluate_clients": True}
    with pytest.raises(ValueError, match=r"set task\.pack=false"):
        make_config(settings | changes)
