"""A store that was made for runs which are then refused does not stay behind."""

from pathlib import Path

import pytest

from fedbytes.experiments.execution.sweeps import checked_store


def refused(path: Path, by_then: str = "") -> None:
    def check() -> None:
        with checked_store(path) as store:
            (store / by_then).mkdir(exist_ok=True)
            raise ValueError("no such task")

    with pytest.raises(ValueError, match="no such task"):
        check()


def test_folders_made_for_a_refused_run_are_taken_away(tmp_path: Path) -> None:
    refused(tmp_path / "runs" / "mine")
    assert not [*tmp_path.iterdir()]


def test_a_store_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    refused(tmp_path / "runs" / "mine")
    assert [*tmp_path.iterdir()] == [tmp_path / "runs"]
    refused(tmp_path / "runs")
    assert (tmp_path / "runs").is_dir()


def test_folders_of_a_path_that_goes_up_are_taken_away(tmp_path: Path) -> None:
    refused(tmp_path / "new" / ".." / "mine")
    assert not [*tmp_path.iterdir()]


def test_a_store_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match="choose another folder"),
        checked_store(tmp_path / "new" / ".." / "file" / "mine"),
    ):
        pass
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def test_what_another_process_put_there_stays(tmp_path: Path) -> None:
    refused(tmp_path / "a" / "b", by_then="run")
    assert (tmp_path / "a" / "b" / "run").is_dir()


@pytest.mark.parametrize(
    "command",
    [
        ["run", "task.name=file", "task.path=nowhere.csv", "model=tiny-bert"],
        ["sweep", "quickstart", "task.name=file", "task.path=nowhere.csv"],
    ],
    ids=lambda words: words[0],
)
def test_a_mistake_leaves_nothing(command, tmp_path, monkeypatch, fedbytes) -> None:
    monkeypatch.chdir(tmp_path)
    done = fedbytes(*command)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]
