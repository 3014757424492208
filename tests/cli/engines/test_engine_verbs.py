"""`plan`, `work`, `sweep --on` and `fetch` as a user meets them: what they say, and refuse."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedbytes.cli.engines.durations import duration_text, parse_duration
from fedbytes.cli.engines.engine_settings import make_launcher
from fedbytes.process import version

Call = Callable[..., Any]


@pytest.fixture
def suite(settings: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    content = {"name": "tiny", "base": settings, "grid": {"seed": [1, 0], "rounds": [2, 3]}}
    path.write_text(yaml.safe_dump(content))
    return path


def assert_refused(done: Any, *said: str) -> None:
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    for text in said:
        assert text in done.stderr


def test_a_plan_is_written_shown_and_kept(fedbytes: Call, suite: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    planned = fedbytes("plan", suite, "--out", store)
    assert planned.returncode == 0, planned.stderr
    assert f"4 of 4 runs to make: `fedbytes work {store}`" in planned.stdout
    assert json.loads((store / "suite.json").read_text())["name"] == "tiny"
    shown = fedbytes("status", store).stdout
    assert shown.splitlines()[-1] == "4 waiting"
    runs = [one["run"] for one in json.loads((store / "plan.json").read_text())["runs"]]
    assert [line.split()[0] for line in shown.splitlines() if "waiting" in line][:4] == runs
    assert "0/2" in shown
    assert "0/3" in shown
    assert not [path for path in store.iterdir() if path.is_dir()]
    assert_refused(
        fedbytes("plan", suite, "seed=7", "--out", store), "4 of 4 runs left", "--replace"
    )
    again = fedbytes("plan", suite, "seed=7", "--out", store, "--replace", "--estimate")
    assert re.match(r"2 of 2 runs to make, about [\d.]+ minutes: `", again.stdout)


def test_a_worker_refuses_what_it_cannot_make(
    fedbytes: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(fedbytes("work", tmp_path), "there is no plan in", "`fedbytes plan SUITE")
    assert_refused(fedbytes("work", tmp_path, "--for", "an hour"), "a duration is such as 55m")
    assert_refused(fedbytes("work", tmp_path, "--lease-seconds", "0"), "lease-seconds")


def test_a_worker_of_another_version_is_refused(
    fedbytes: Call, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fedbytes("plan", suite, "--out", "store").returncode == 0
    assert_refused(fedbytes("work", "store", "--only", "0" * 16), "the plan has no run '000")
    monkeypatch.setattr("fedbytes.experiments.engines.plan_file.PACKAGE_VERSION", "99.0")
    refused = fedbytes("work", "store")
    assert_refused(refused, f"planned by fedbytes {version.PACKAGE_VERSION}", "99.0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--on", "slrum"], "did you mean 'slurm'"),
        (["--on", "slurm", "--engine", "partitoin=low"], "did you mean 'partition'"),
        (["--on", "slurm", "--engine", "partition"], "KEY=VALUE"),
        (["--on", "slurm"], "there is no sbatch on this host"),
    ],
)
def test_an_engine_that_is_not_there_is_refused_before_anything_is_made(
    words: list[str], said: str, fedbytes: Call, suite: Path, tmp_path: Path
) -> None:
    refused = fedbytes("sweep", suite, "--out", tmp_path / "store", *words, PATH=str(tmp_path))
    assert_refused(refused, said)
    assert not (tmp_path / "store").exists()


def test_what_cannot_be_fetched_is_named(fedbytes: Call) -> None:
    assert_refused(
        fedbytes("fetch", "minilmm"), "there is no asset or suite 'minilmm'; did you mean 'minilm'?"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("55m", 3300), ("1h30m", 5400), ("90", 90), ("1.5h", 5400), ("2d", 172800)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "55 minutes", "-5m", "1h 30m", "0"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is such as 55m, 1h30m or 90s, got"):
        parse_duration(text)


def test_durations_are_written() -> None:
    found = [duration_text(seconds) for seconds in (5, 89, 600, 9000, 400_000)]
    assert found == ["5 s", "89 s", "10 min", "2.5 h", "4.6 d"]


@pytest.mark.parametrize(
    ("on", "word", "field", "value"),
    [
        ("slurm", "partition=low", "partition", "low"),
        ("slurm", "partition=no", "partition", "no"),
        ("slurm", "time=55", "time", "55"),
        ("slurm", "time=2:00:00", "time", "2:00:00"),
        ("slurm", "memory=4G", "memory", "4G"),
        ("slurm", "memory=4000", "memory", "4000"),
        ("slurm", "gpus=1", "gpus", "1"),
        ("slurm", "gpus=a100:1", "gpus", "a100:1"),
        ("slurm", "account=0123", "account", "0123"),
        ("slurm", "account=", "account", None),
        ("slurm", "notice=300", "notice", 300),
        ("slurm", "options=--constraint=avx2", "options", ("--constraint=avx2",)),
        ("slurm", "options=--qos=low --nice=5", "options", ("--qos=low", "--nice=5")),
        ("slurm", "options=[--qos=low, --nice=5]", "options", ("--qos=low", "--nice=5")),
        ("submitit", "cluster=local", "cluster", "local"),
        ("submitit", "minutes=55", "minutes", 55),
        (
            "submitit",
            "parameters={slurm_partition: low, mem_gb: 4}",
            "parameters",
            {"slurm_partition": "low", "mem_gb": 4},
        ),
        ("ray", "address=auto", "address", "auto"),
        ("ray", "address=ray://head:10001", "address", "ray://head:10001"),
        ("ray", "gpus=0.25", "gpus", 0.25),
        ("ray", "memory_gb=8", "memory_gb", 8.0),
        ("dask", "address=tcp://head:8786", "address", "tcp://head:8786"),
    ],
)
def test_settings_of_engines_are_taken_as_they_are_documented(
    on: str, word: str, field: str, value: object
) -> None:
    assert getattr(make_launcher(on, [word]), field) == value


def test_a_number_that_yaml_s_versions_read_differently_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--engine parameters: .*2:00:00"):
        make_launcher("submitit", ["parameters={slurm_time: 2:00:00}"])
