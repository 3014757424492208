"""A protocol from the suite to the verdicts, and settings from tuning to the suite."""

import sys

import pytest
import yaml

from fedbytes.cli.app import main
from fedbytes.experiments.config.suite_file import load_suite

CODECS = [{"name": "fp32"}, {"name": "int", "bits": 8}]


@pytest.fixture
def said(monkeypatch, capsys):
    """Run the command line; return its exit code, what it printed, and its complaint."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["fedbytes", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


@pytest.fixture
def suite(settings, tmp_path):
    def write(**fields):
        base = settings | {"rounds": 2, "clients_per_round": 4}
        content = {"name": "mine", "base": base, "grid": {"codec": CODECS, "seed": [0, 1]}}
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content | fields))
        return path

    return write


def test_what_is_declared_reaches_the_verdicts_and_the_kept_rows(suite, said, tmp_path):
    path = suite(protocol={"margin": 0.03, "targets": [0.5], "final": "last2", "control": True})
    store, kept = tmp_path / "store", tmp_path / "kept"
    words = ("sweep", path, "--out", store, "--workers", 1, "--threads", 1, "--no-report")
    assert said(*words)[0] == 0
    digest = load_suite(str(path)).protocol.digest[:12]
    code, out, _ = said("verdicts", store)
    assert code == 0
    assert f"Protocol {digest}, declared before the runs." in out
    assert "the mean of the last 2 evaluations" in out
    assert "margin 3.00 points" in out
    assert "fp32 again" in out
    assert "chosen after" not in out
    assert "Over texts" in out
    late = said("verdicts", store, "--target", 0.6, "--margin", 0.01)[1]
    assert "The target was chosen after the runs: the protocol declares 0.5." in late
    assert "The margin was chosen after the runs: the protocol declares 0.03." in late
    assert said("plot", store, "--out", kept)[0] == 0
    assert said("verdicts", kept)[1] == out
    code, _, err = said("plot", kept, "--target", 0.6)
    assert code == 0
    assert "The target was chosen after the runs" in err
    assert (kept / "target.svg").exists()
    code, _, err = said("verdicts", store, "--target", 0.3)
    assert code == 2
    assert "of what a constant answer reaches (0.3" in err


def test_a_target_that_a_constant_answer_reaches_is_refused_before_any_run(suite, said, tmp_path):
    path = suite(protocol={"targets": [0.35]})
    code, _, err = said("sweep", path, "--out", tmp_path / "store", "--workers", 1)
    assert code == 2
    assert "protocol.targets: target 0.35 is within 0.05" in err
    assert len(err.splitlines()) == 1
    assert not list((tmp_path / "store").glob("*/config.yaml"))


def test_tuned_settings_are_taken_over(suite, said, tmp_path):
    key = "algorithm.learning_rate"
    space = {"space": {key: [1.0e-5, 0.01]}, "trials": 2, "seeds": [1000]}
    runs = tmp_path / "tuning"
    code, out, _ = said("tune", suite(tune=space), "--out", runs, "--threads", 1)
    assert code == 0
    assert "2 trials of 1 runs for each of 2 methods" in out
    choices = yaml.safe_load((runs / "choices.yaml").read_text())["choices"]
    assert choices == {"fp32": {key: 0.01}, "int": {key: 0.01}}
    configs = load_suite(str(suite(tuned="tuning/choices.yaml"))).expand()
    assert {config.algorithm["learning_rate"] for config in configs} == {0.01}


def test_a_suite_without_a_space_is_refused(suite, said):
    code, _, err = said("tune", suite())
    assert code == 2
    assert "has no section tune" in err
