"""Tuning: on held-out texts and seeds of its own, with equal budgets, and resumable."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fedbytes.experiments.config.suite_file import load_suite
from fedbytes.experiments.tuning import trial_runs
from fedbytes.experiments.tuning.trial_runs import methods_of
from fedbytes.experiments.tuning.tune_methods import (
    Tried,
    choose_best,
    tune_methods,
    write_choices,
)
from fedbytes.experiments.tuning.tuning_plan import TuningPlan, read_plan

RATES = [1.0e-5, 0.03, 0.01]
SPACE = {"algorithm.learning_rate": RATES}
TUNE = {"space": SPACE, "trials": 3, "seeds": [1000, 1001], "validation": 0.25}


@pytest.fixture
def suite(suite_file):
    content = yaml.safe_load(suite_file.read_text()) | {"tune": TUNE}
    content["base"] |= {"rounds": 2, "clients_per_round": 4}
    suite_file.write_text(yaml.safe_dump(content))
    return load_suite(str(suite_file))


def test_no_run_sees_the_test_texts_or_a_reported_seed(suite):
    methods = methods_of(suite, read_plan(suite))
    assert list(methods) == ["fp32", "topk density=0.1 +EF"]
    for runs in methods.values():
        assert [run.seed for run in runs] == [1000, 1001]
        for run in runs:
            assert run.task["evaluate_on"] == "validation"
            assert run.task["validation"] == 0.25


def tuned(suite, store):
    told: list[Tried] = []
    return tune_methods(suite, read_plan(suite), store, told.append), told


def test_every_method_has_its_trials_and_the_best_is_written(suite, tmp_path, suite_file):
    found, told = tuned(suite, tmp_path / "runs")
    assert [len(trials) for trials in found.values()] == [3, 3]
    assert told == [one for trials in found.values() for one in trials]
    for trials in found.values():
        assert sorted(t.choice["algorithm.learning_rate"] for t in trials) == sorted(RATES)
        assert [t.choice for t in trials] == [t.choice for t in found["fp32"]]
    path = suite_file.parent / "choices.yaml"
    assert write_choices(path, suite, read_plan(suite), found) == "accuracy"
    written = yaml.safe_load(path.read_text())
    for method, trials in found.items():
        best = choose_best(trials, falls=False)
        assert written["choices"][method] == dict(best.choice)
        assert best.choice["algorithm.learning_rate"] != 1.0e-5  # it learns nothing
        whole = [t.value for t in trials if not t.pruned]
        assert best.value == max(whole)
    content = yaml.safe_load(suite_file.read_text()) | {"tuned": "choices.yaml"}
    suite_file.write_text(yaml.safe_dump(content))
    for run in load_suite(str(suite_file)).expand():
        chosen = written["choices"][run.declared["tuned"]["choices"] and _name(run)]
        assert run.algorithm["learning_rate"] == chosen["algorithm.learning_rate"]
        assert "validation" not in run.task


def _name(run):
    return "fp32" if run.uplink["name"] == "fp32" else "topk density=0.1 +EF"


def test_a_second_call_reads_what_is_there(suite, tmp_path, monkeypatch):
    before = tuned(suite, tmp_path)[0]
    rows = {path: path.read_bytes() for path in Path(tmp_path).rglob("rounds.jsonl")}

    def refuse(*_, **__):
        raise AssertionError("it was there already")

    monkeypatch.setattr(trial_runs, "run", refuse)
    assert tuned(suite, tmp_path)[0] == before
    assert rows == {path: path.read_bytes() for path in Path(tmp_path).rglob("rounds.jsonl")}


def test_a_stopped_call_goes_on_to_the_same_choices(suite, tmp_path, monkeypatch):
    whole = tuned(suite, tmp_path / "whole")[0]
    real, made = trial_runs.run, []

    def stop_in_the_third(config, store, **options):
        made.append(config.id)
        if len(made) == 3:
            raise KeyboardInterrupt
        return real(config, store, **options)

    monkeypatch.setattr(trial_runs, "run", stop_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        tuned(suite, tmp_path / "cut")
    monkeypatch.setattr(trial_runs, "run", real)
    assert tuned(suite, tmp_path / "cut")[0] == whole


def test_a_hopeless_trial_is_pruned_and_never_chosen(suite, tmp_path):
    """Two good trials, then two that learn nothing: below the median at their first evaluation."""
    many = {"space": {"algorithm.learning_rate": [0.01, 0.03, 1e-6, 1e-7]}, "trials": 4}
    plan = TuningPlan(**TUNE | many)
    one = replace(suite, grid=suite.grid | {"codec": [{"name": "fp32"}]})
    trials = tune_methods(one, plan, tmp_path, lambda _: None)["fp32"]
    pruned = [t for t in trials if t.pruned]
    assert pruned
    assert choose_best(trials, falls=False).choice["algorithm.learning_rate"] > 1e-3
    unfinished = [f for f in tmp_path.iterdir() if f.is_dir() and not (f / "done").exists()]
    assert len(unfinished) == len(pruned)  # each stopped in its first run


def test_ranges_are_drawn_within_their_bounds_and_alike_for_all(suite, tmp_path):
    plan = TuningPlan(
        space={"algorithm.learning_rate": {"low": 1e-3, "high": 3e-2, "log": True}},
        trials=2, seeds=(1000,), pruner="none",
    )  # fmt: skip
    found = tune_methods(suite, plan, tmp_path, lambda _: None)
    rates = [[t.choice["algorithm.learning_rate"] for t in trials] for trials in found.values()]
    assert rates[0] == rates[1]
    assert all(1e-3 <= rate <= 3e-2 for rate in rates[0])
    assert len(set(rates[0])) == 2


def test_less_is_better_where_the_metric_falls():
    trials = [Tried("a", i, {}, "loss", value, False) for i, value in enumerate([0.5, 0.2, 0.9])]
    assert choose_best(trials, falls=True).value == 0.2
    assert choose_best(trials, falls=False).value == 0.9
    with pytest.raises(ValueError, match="no trial of 'a' ended with a number"):
        choose_best([replace(trials[0], pruned=True)], falls=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "space has no values"),
        ({"space": {"rounds": []}}, "rounds has no values"),
        ({"seeds": [0]}, "seeds"),
        ({"trials": 0}, "trials"),
        ({"validation": 1.0}, "validation"),
        ({"trails": 3}, "there is no field 'trails'; did you mean 'trials'"),
        ({"space": {"rounds": {"low": 2, "high": 1}}}, "low must be below high"),
        ({"space": {"rounds": {"low": 0, "high": 1, "log": True}}}, "log requires low above 0"),
    ],
    ids=json.dumps,
)
def test_a_section_that_cannot_be_is_refused_in_one_line(suite, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_plan(replace(suite, tune=TUNE | change))
    assert "\n" not in str(caught.value)


def test_a_reported_seed_and_a_missing_section_are_refused(suite):
    with pytest.raises(ValueError, match="1000 is a seed of the suite's own runs"):
        read_plan(replace(suite, grid={"seed": [1000]}))
    with pytest.raises(ValueError, match="has no section tune"):
        read_plan(replace(suite, tune={}))
