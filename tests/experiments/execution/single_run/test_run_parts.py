"""The parts of a run in progress, each by itself: its records, metrics, description and summary."""

from types import SimpleNamespace

import pytest

from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import make_problem, own_tests_of
from fedbytes.experiments.execution.single_run.round_records import RoundRecords, count_attackers
from fedbytes.experiments.execution.single_run.run_description import has_other_examples
from fedbytes.experiments.execution.single_run.run_metrics import RunMetrics
from fedbytes.experiments.execution.single_run.run_summary import summarise_run
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.federated import Hooks, Simulation


@pytest.mark.parametrize(
    ("dropped", "tolerates", "expected"),
    [
        ((), None, {"attackers": 3}),
        ((), 1, {"attackers": 3, "attackers_above_f": 2}),
        ((5,), 1, {"attackers": 3, "attackers_above_f": 1}),
        ((5, 7), 1, {"attackers": 3, "attackers_above_f": 0}),
        ((5, 7, 9), 1, {"attackers": 3, "attackers_above_f": 0}),
    ],
)
def test_attackers_are_counted_by_hand(dropped, tolerates, expected):
    present = {5, 7, 9}
    asked = []
    simulation = SimpleNamespace(
        attackers=SimpleNamespace(present=lambda round_, clients: present & set(clients)),
        fed=SimpleNamespace(
            plugins=SimpleNamespace(tolerates=lambda senders: asked.append(senders) or tolerates)
        ),
    )
    report = SimpleNamespace(round=1, clients=[1, 5, 7, 8, 9], dropped=dropped)
    assert count_attackers(simulation, report) == expected
    assert asked == [5 - len(dropped)]  # what a defence is given


@pytest.mark.parametrize(
    ("began", "other"),
    [
        ({}, False),
        ({"partition": "p", "sources": {}, "data_digest": "d"}, False),
        ({"partition": "q"}, True),
        ({"partition": "p", "sources": {}, "data_digest": "e"}, True),
        ({"partition": "p", "data_digest": "e"}, False),  # from before digests of sources
        ({"partition": "q", "accepted": ["task"]}, False),
    ],
)
def test_other_examples_are_told_by_what_the_run_began_with(began, other):
    problem = SimpleNamespace(
        split=SimpleNamespace(partition=SimpleNamespace(fingerprint="p")),
        task=SimpleNamespace(data_digest="d"),
    )
    assert has_other_examples(problem, began) is other


def test_a_round_is_measured_recorded_and_summed_up_without_the_runner(settings, tmp_path):
    config = make_config(settings | {"evaluate_clients": True})
    problem = make_problem(config, Hooks())
    simulation = Simulation(problem.federation)
    tests, _ = own_tests_of(config, problem)
    folder = RunFolder(tmp_path, config.id)
    folder.create({})
    report = simulation.run_round()

    metrics, rows = RunMetrics(problem, simulation, tests).measure(sent=False)
    problem.federation.algorithm.load(problem.model, simulation.state.model)
    assert metrics.items() >= problem.model.evaluate().items()
    assert {row["client"]: row["examples"] for row in rows} == {
        client: len(own) for client, own in enumerate(tests) if len(own)
    }
    assert metrics["own_accuracy"] == pytest.approx(
        sum(row["accuracy"] for row in rows) / len(rows)
    )

    assert RoundRecords(folder, simulation, with_reports=True).write(report, evaluated=True) == {}
    (deltas,) = read_json_lines(folder.path / "deltas.jsonl")
    assert deltas == {"round": 1, **report.agreement}
    reports = read_json_lines(folder.path / "reports.jsonl")
    assert [row["client"] for row in reports] == report.clients
    assert all(row["examples"] == len(problem.federation.parts[row["client"]]) for row in reports)

    summary = summarise_run(folder, problem, simulation, metrics)
    assert summary.items() >= metrics.items()
    assert summary["total_bytes"] == simulation.ledger.total > 0
    phases = [summary[f"seconds_{phase}"] for phase in simulation.clock.seconds()]
    assert summary["seconds"] == pytest.approx(sum(phases))
    assert "attack_half_life" not in summary
