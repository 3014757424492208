"""Copies of runs in merged stores, whatever their folders are called."""

import json
import shutil
from pathlib import Path

import pytest

from fedbytes.experiments import load_ledger, load_results, load_runs
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.store.damage import DamagedRunWarning
from fedbytes.experiments.store.find_runs import StoreConflictError, run_folders


@pytest.mark.parametrize("places", [("x", "y"), ("y", "x"), ("0", ""), ("", "0")])
def test_a_finished_copy_is_read_whatever_the_folders_are_called(
    places: tuple[str, str], made_store: Path, configs: list[RunConfig], tmp_path: Path
) -> None:
    finished, unfinished = places
    run = configs[0].id
    shutil.copytree(made_store / run, tmp_path / "s" / finished / run)
    shutil.copytree(made_store / run, tmp_path / "s" / unfinished / run)
    broken = tmp_path / "s" / unfinished / run
    for name in ("done", "summary.json", "ledger.parquet"):
        (broken / name).unlink()
    rows = (broken / "rounds.jsonl").read_text().splitlines(keepends=True)
    (broken / "rounds.jsonl").write_text("".join(rows[:1]))
    (broken / "deltas.jsonl").unlink()
    table = load_runs(tmp_path / "s")
    assert table.run.tolist() == [run]
    assert table.status.tolist() == ["done"]
    assert len(load_results(tmp_path / "s")) == 3


def test_equal_copies_are_one_run(store: Path, configs: list[RunConfig]) -> None:
    run = configs[1].id
    shutil.copytree(store / run, store / "a copy of it")
    shutil.copytree(store / run, store / "other" / run)
    before = len(load_results(store))
    assert load_runs(store).run.tolist() == sorted(config.id for config in configs)
    assert load_results(store).groupby("run").size()[run] == 3
    assert len(load_results(store)) == before == 8


def test_copies_that_disagree_are_refused_with_both_folders(
    store: Path, small: dict, configs: list[RunConfig], tmp_path: Path
) -> None:
    run = configs[0].id
    other = shutil.copytree(store / run, store / "friend" / run)
    forge(other)
    for load in (load_runs, load_results, load_ledger):
        with pytest.raises(StoreConflictError) as refused:
            load(store)
        assert str(store / run) in str(refused.value)
        assert str(store / "friend" / run) in str(refused.value)
        assert "\n" not in str(refused.value)
    shutil.rmtree(other)
    assert load_runs(store).status.tolist().count("done") == 2


def forge(folder: Path) -> None:
    """Give a finished run other numbers, as if it had been made from other data."""
    from fedbytes.experiments.store.row_files import RunningSum
    from fedbytes.experiments.store.sealed_json import read_sealed, write_sealed

    path = folder / "rounds.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row | {"loss": row["loss"] + 1}) + "\n" for row in rows))
    summary = read_sealed(folder / "summary.json")
    summary["files"][path.name] = RunningSum(path).now()
    write_sealed(folder / "summary.json", summary)


def test_a_renamed_folder_is_the_run_that_its_configuration_says(
    store: Path, configs: list[RunConfig]
) -> None:
    (store / configs[0].id).rename(store / "best run")
    found = {run.run: run.path.name for run in run_folders(store)}
    assert found[configs[0].id] == "best run"


def test_a_damaged_copy_does_not_hide_a_whole_one(store: Path, configs: list[RunConfig]) -> None:
    run = configs[0].id
    shutil.copytree(store / run, store / "0" / run)
    (store / "0" / run / "rounds.jsonl").unlink()
    with pytest.warns(DamagedRunWarning, match=r"rounds\.jsonl is missing"):
        results = load_results(store)
    assert results.groupby("run").size()[run] == 3
