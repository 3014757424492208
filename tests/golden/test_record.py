"""Ids, splits, messages and runs stay what the record says: see `record.py` for its entries.

What changes on purpose is written anew by `python -m tests.golden.make_record`, and its diff is
reviewed with the change.
"""

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import record
import torch
from configurations import CONFIGURATIONS, CUTS, RESUMED, STORES
from inputs import write_texts
from observe import codec_lines, codec_name, codec_specs, partition_lines, run_lines, store_lines
from processor import fingerprint

from fedbytes.experiments import load_runs, make_config, run

RECORD = record.read()
HOW = f"\nIf this is meant, run `{record.REWRITE}` and review the diff."


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def processor() -> str:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = fingerprint()
    torch.set_num_threads(before)
    return found


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that runs are made in; a path of their configuration is relative to it."""
    write_texts(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same(found: record.Lines, prefix: str) -> None:
    wrong = record.differ(found, record.under(RECORD, prefix))
    assert not wrong, "\n".join([f"{prefix}:", *wrong, HOW])


def same_here(processor: str, run: str, found: record.Lines) -> None:
    """Compare a run with the record: to the bit on a known processor, loosely on another."""
    wrong, exact = record.differ_on(processor, run, found, RECORD)
    if not exact:
        loose = (
            f"{run} was compared loosely: {processor} is not among the record's processors. "
            f"Where nothing has changed, `{record.REWRITE}` adds it."
        )
        print(loose)
        warnings.warn(loose, stacklevel=2)
    assert not wrong, "\n".join([f"{run} on {processor}:", *wrong, HOW])


@pytest.mark.parametrize("spec", codec_specs(), ids=str)
def test_a_codec_writes_and_reads_what_it_did(spec: dict) -> None:
    same(codec_lines(spec), codec_name(spec))


def test_no_codec_is_lost() -> None:
    recorded = {name.split()[1].rpartition("-")[0] for name in RECORD if name.startswith("codec ")}
    assert recorded == {spec["name"] for spec in codec_specs()}


def test_partitioners_split_as_they_did() -> None:
    same(partition_lines(), "partition")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_run_ends_as_it_did(name: str, inputs: Path, processor: str) -> None:
    anywhere, here = run_lines(CONFIGURATIONS[name], inputs / "store")
    same(anywhere, f"run {name}")
    same_here(processor, name, here)


def test_stores_of_before_are_read_as_they_were() -> None:
    known = record.under(RECORD, "store")
    same({name: values for name, values in store_lines(STORES).items() if name in known}, "store")
    assert load_runs(STORES / "finished").status.tolist() == ["done"]
    assert set(load_runs(STORES / "interrupted").status) == {"interrupted"}


def test_a_finished_run_of_before_is_left_alone(inputs: Path) -> None:
    shutil.copytree(STORES / "finished", inputs / "store")
    before = {p: p.read_bytes() for p in (inputs / "store").rglob("*.*") if p.is_file()}
    made = make_config(CONFIGURATIONS["stored"])
    run(made, inputs / "store", on_event=lambda event: pytest.fail(f"a round was run: {event}"))
    kept = {path: path.read_bytes() for path in before if path.name != "config.yaml"}
    assert kept == {path: data for path, data in before.items() if path in kept}


@pytest.mark.parametrize("name", CUTS)
def test_an_interrupted_run_of_before_ends_as_if_it_had_not_been(
    name: str, inputs: Path, processor: str
) -> None:
    shutil.copytree(STORES / "interrupted", inputs / "store")
    rounds = []
    made = make_config(CONFIGURATIONS[name])
    assert (inputs / "store" / made.id / "checkpoint" / "state.pt").exists()
    anywhere, here = run_lines(CONFIGURATIONS[name], inputs / "store", rounds.append)
    assert [e.round for e in rounds if hasattr(e, "round")] == [
        *range(CUTS[name] + 1, made.rounds + 1)
    ]
    same(anywhere, f"run {name}{RESUMED}")
    same_here(processor, name + RESUMED, here)


def test_an_interrupted_run_of_before_with_another_split_starts_anew(inputs: Path) -> None:
    name = next(iter(CUTS))
    shutil.copytree(STORES / "interrupted", inputs / "store")
    made, told = make_config(CONFIGURATIONS[name]), []
    path = inputs / "store" / made.id / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"partition": "0" * 16}))
    run_lines(CONFIGURATIONS[name], inputs / "store", told.append)
    assert [e.round for e in told if hasattr(e, "round")] == [*range(1, made.rounds + 1)]
    assert any("starts anew: its examples were split otherwise" in str(e) for e in told)


KNOWN = record.processors(RECORD)


def _first(run: str) -> record.Lines:
    return record.under(RECORD, f"on {KNOWN[0]} {run}")


def _changed(run: str, row: str, **fields: object) -> record.Lines:
    lines = _first(run)
    return lines | {row: lines[row] | fields}


@pytest.mark.parametrize("run", CONFIGURATIONS)
def test_an_unknown_processor_is_compared_loosely_and_says_so(run: str) -> None:
    found = _changed(run, "rounds 02", loss=_first(run)["rounds 02"]["loss"] + 5e-5)
    with pytest.warns(UserWarning, match=f"{run} was compared loosely: odd-0 is not among"):
        same_here("odd-0", run, found | {"model": "other", "wire": "other"})
    with pytest.raises(AssertionError, match="rounds 02"):  # the same is wrong on a known one
        same_here(KNOWN[0], run, found)


@pytest.mark.parametrize(
    ("run", "planted"),
    [
        ("fedavg", {"loss": 1.25}),
        ("fedavg", {"loss": float("nan")}),
        ("fedavg", {"up_bytes": 36737}),
        ("flora", {"down_bytes": 59121}),
        ("demo", {"loss": 4.5}),
        ("fedavg", {"extra": 1.0}),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*compared loosely")
def test_a_planted_wrong_number_fails_the_loose_comparison(run: str, planted: dict) -> None:
    with pytest.raises(AssertionError, match="rounds 02"):
        same_here("odd-0", run, _changed(run, "rounds 02", **planted))


@pytest.mark.filterwarnings("ignore:.*compared loosely")
def test_a_lost_round_and_a_lossless_runs_ledger_fail_the_loose_comparison() -> None:
    whole = _first("fedavg")
    cut = {name: value for name, value in whole.items() if name != "rounds 03"}
    for found in (cut, whole | {"ledger": "other"}, {}):
        with pytest.raises(AssertionError, match="fedavg on odd-0"):
            same_here("odd-0", "fedavg", found)


def test_a_processor_of_ones_own_leaves_the_others_entries_until_a_run_changes() -> None:
    """What `make_record` merges: another processor's numbers go with the run that changed."""
    shared = {name: value for name, value in RECORD.items() if not name.startswith("on ")}
    mine: record.Lines = {}
    for name in (*CONFIGURATIONS, *(cut + RESUMED for cut in CUTS)):
        mine |= record.over(f"on odd-0 {name}", _first(name))
    assert record.merge(RECORD, shared | mine) == RECORD | mine
    moved = mine | {"on odd-0 fedavg: rounds 03": _first("fedavg")["rounds 03"] | {"loss": 0}}
    merged = record.merge(RECORD, shared | moved)
    lost = [name for name in RECORD if name not in merged]
    assert lost == [n for n in RECORD if n.startswith("on ") and n.split()[2] == "fedavg:"]
