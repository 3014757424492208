"""What is missing, cut or altered is named, in stores of today and of before."""

import shutil
from pathlib import Path

import pytest

from fedbytes.experiments import load_ledger, load_results, load_runs, run
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.store.checkpoint import load_checkpoint
from fedbytes.experiments.store.damage import DamagedRunWarning, find_damage
from fedbytes.experiments.store.results import stored_title
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import write_sealed

BEFORE = Path(__file__).parents[2] / "golden" / "stores"
TABLES = (
    "rounds.jsonl", "deltas.jsonl", "ledger.parquet", "summary.json", "provenance.json",
    "holdings.json", "config.yaml",
)  # fmt: skip


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def drop_a_row(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], *lines[2:]]))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_finished_run_that_lacks_something_is_left_out_with_a_line(
    name: str, harm: object, store: Path, configs: list[RunConfig]
) -> None:
    harm(store / configs[0].id / name)  # type: ignore[operator]
    with pytest.warns(DamagedRunWarning, match=name.replace(".", r"\.")) as caught:
        results = load_results(store)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert set(results.run) == {config.id for config in configs[1:]}
    runs = load_runs(store).set_index("run")
    assert runs.status[configs[0].id] == "damaged"
    assert name in runs.error[configs[0].id]


def test_a_missing_done_is_damage_and_no_run_in_waiting(
    store: Path, configs: list[RunConfig]
) -> None:
    (store / configs[0].id / "done").unlink()
    with pytest.warns(DamagedRunWarning, match="done is missing"):
        load_ledger(store)


def test_a_missing_part_of_the_ledger_of_a_cut_run_is_found(
    store: Path, configs: list[RunConfig]
) -> None:
    next((store / configs[2].id / "checkpoint").glob("ledger-*.parquet")).unlink()
    with pytest.warns(DamagedRunWarning, match="the ledger has 1 of 2 parts"):
        load_ledger(store)


def test_a_cut_run_that_lost_its_checkpoint_and_ledger_is_found(
    store: Path, configs: list[RunConfig]
) -> None:
    shutil.rmtree(store / configs[2].id / "checkpoint")
    with pytest.warns(DamagedRunWarning, match="the checkpoint and the ledger's parts are missing"):
        results = load_results(store)
    assert configs[2].id not in set(results.run)


def test_a_cut_run_that_lost_who_holds_what_does_not_end_as_a_damaged_one(
    store: Path, configs: list[RunConfig]
) -> None:
    (store / configs[2].id / "holdings.json").unlink()
    run(configs[2], store, on_event=print)
    assert find_damage(RunFolder(store, configs[2].id)) == ""


@pytest.mark.parametrize("key", ["partition", "data_digest"])
def test_a_cut_run_of_other_examples_starts_anew(
    key: str, store: Path, configs: list[RunConfig]
) -> None:
    folder = RunFolder(store, configs[2].id)
    folder.write_json("provenance.json", folder.provenance() | {key: "0" * 64})
    told: list[str] = []
    run(configs[2], store, on_event=lambda event: told.append(str(event)))
    assert any("starts anew: its examples were split otherwise" in line for line in told)
    assert folder.provenance()[key] != "0" * 64


@pytest.mark.parametrize("name", ["ledger.parquet", "rounds.jsonl", "summary.json"])
def test_what_cannot_be_read_is_damage(name: str, store: Path, configs: list[RunConfig]) -> None:
    path = store / configs[0].id / name
    path.unlink()
    path.mkdir()
    with pytest.warns(DamagedRunWarning, match=f"{name}.*director"):
        load_results(store)


@pytest.mark.parametrize("name", TABLES)
def test_runs_of_before_are_checked_by_what_they_have(name: str, tmp_path: Path) -> None:
    store = Path(shutil.copytree(BEFORE / "finished", tmp_path / "s"))
    (folder,) = store.iterdir()
    assert find_damage(RunFolder(store, folder.name)) == ""
    (drop_a_row if name.endswith(".jsonl") else cut)(folder / name)
    assert name.partition(".")[0] in find_damage(RunFolder(store, folder.name))


def test_a_cut_run_of_before_that_lost_a_part_of_its_ledger_is_found(tmp_path: Path) -> None:
    store = Path(shutil.copytree(BEFORE / "interrupted", tmp_path / "s"))
    for folder in store.iterdir():
        assert find_damage(RunFolder(store, folder.name)) == ""
        sorted(folder.glob("checkpoint/ledger-*"))[0].unlink()
        assert "ledger" in find_damage(RunFolder(store, folder.name))


def test_a_cut_run_of_before_with_a_flipped_checkpoint_starts_anew(tmp_path: Path) -> None:
    store = Path(shutil.copytree(BEFORE / "interrupted", tmp_path / "s"))
    for folder in store.iterdir():
        path = folder / "checkpoint" / "state.pt"
        data = bytearray(path.read_bytes())
        at = data.index(b"model") // 2 + len(data) // 2
        data[at] ^= 1
        path.write_bytes(data)
        state, _, damage = load_checkpoint(RunFolder(store, folder.name))
        assert state is None
        assert damage == "state.pt is cut or altered"


def test_a_damaged_run_is_refused_by_a_further_call_and_made_anew_if_asked(
    store: Path, configs: list[RunConfig]
) -> None:
    whole = load_results(store)
    cut(store / configs[0].id / "deltas.jsonl")
    with pytest.raises(ValueError, match=r"deltas\.jsonl is cut.*--remake"):
        run(configs[0], store)
    with pytest.raises(ValueError, match="is damaged"):
        run(configs[0], store, if_stale="accept")
    run(configs[0], store, if_stale="remake")
    again = load_results(store)
    assert again.drop(columns="seconds").equals(whole.drop(columns="seconds"))


def test_a_report_is_written_of_the_runs_that_are_whole(
    store: Path, configs: list[RunConfig], tmp_path: Path
) -> None:
    from fedbytes.plots import read_tables, write_data
    from fedbytes.plots.output.report import write_report

    cut(store / configs[1].id / "config.yaml")
    (store / configs[0].id / "provenance.json").unlink()
    with pytest.warns(DamagedRunWarning):
        tables = read_tables(store)
    write_data(tables, tmp_path / "data")
    page = write_report(tables, tmp_path / "r.html", figures=[]).read_text(encoding="utf-8")
    assert "2 damaged" in page


def test_a_damaged_suite_file_is_said(store: Path) -> None:
    write_sealed(store / "suite.json", {"name": "s", "title": "A title", "target": 0.9})
    assert stored_title(store) == "A title"
    text = (store / "suite.json").read_text().replace("A title", "B title")
    (store / "suite.json").write_text(text)
    with pytest.warns(DamagedRunWarning, match=r"suite\.json is altered"):
        assert stored_title(store) == "store"
