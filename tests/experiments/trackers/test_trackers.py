"""What trackers are given is what the store has; a tracker that hangs costs nothing."""

import json
import shutil
import struct
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fedbytes.experiments import load_results
from fedbytes.experiments.trackers import live_tracking
from fedbytes.experiments.trackers.live_tracking import tracking
from fedbytes.experiments.trackers.track_store import track_store

STORE = Path(__file__).parents[2] / "golden" / "stores" / "finished"


def curves(folder):
    """The scalars in a run's event files: by name, steps and values."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    names = read.Tags()["scalars"]
    return {name: [(point.step, point.value) for point in read.Scalars(name)] for name in names}


def test_event_files_have_every_metric_by_round_and_by_bytes(tmp_path):
    (run,) = track_store(STORE, "tensorboard", tmp_path)
    found, rows = curves(tmp_path / run), load_results(STORE)
    assert len(rows) > 1
    for name in ("accuracy", "up_bytes", "train_loss"):
        values = pytest.approx(rows[name].tolist(), rel=1e-6)  # kept in float32
        for kind, steps in (("round", rows["round"]), ("bytes", rows["total_bytes"])):
            assert [step for step, _ in found[f"by_{kind}/{name}"]] == steps.tolist()
            assert [value for _, value in found[f"by_{kind}/{name}"]] == values


def test_a_further_export_takes_the_place_of_the_first(tmp_path):
    (run,) = track_store(STORE, "tensorboard", tmp_path)
    before = curves(tmp_path / run)
    track_store(STORE, "tensorboard", tmp_path)
    assert curves(tmp_path / run) == before
    assert len(list((tmp_path / run).glob("events.*"))) == 1


def test_an_export_changes_nothing_in_the_store(tmp_path):
    store = Path(shutil.copytree(STORE, tmp_path / "store"))
    (run,) = track_store(store, "tensorboard")
    assert (tmp_path / "store-tensorboard" / run).is_dir()
    assert load_results(store).equals(load_results(STORE))
    assert track_store(store, "tensorboard") == [run]


def records_of_wandb(data):
    """The records in the bytes of an offline run: a header, then blocks of 32 KiB."""
    at, whole = 7, b""
    while len(data) - at >= 7:
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole, at = whole + data[at + 7 : at + 7 + length], at + 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def test_offline_runs_of_wandb_have_every_metric_by_round_and_by_bytes(tmp_path):
    pb = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    track_store(STORE, "wandb", tmp_path)
    (run,) = track_store(STORE, "wandb", tmp_path)  # in the place of the first
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    kinds, end = set(), time.monotonic() + 60
    while "exit" not in kinds and time.monotonic() < end:  # its own process writes on
        found = [pb.Record.FromString(data) for data in records_of_wandb(file.read_bytes())]
        kinds = {one.WhichOneof("record_type") for one in found}
    (about,) = [one.run for one in found if one.WhichOneof("record_type") == "run"]
    assert (about.run_id, about.project) == (run, STORE.name)
    steps = {one.metric.glob_name: one.metric.step_metric for one in found if one.metric.glob_name}
    assert steps == {"by_round/*": "round", "by_bytes/*": "bytes"}
    rows, values = load_results(STORE), defaultdict(list)
    for item in (item for one in found for item in one.history.item):
        name = item.nested_key[0] if item.nested_key else item.key
        values[name].append(json.loads(item.value_json))
    assert values["round"] == rows["round"].tolist()
    assert values["bytes"] == rows["total_bytes"].tolist()
    for name in ("accuracy", "up_bytes", "train_loss"):
        assert values[f"by_round/{name}"] == rows[name].tolist()
        assert values[f"by_bytes/{name}"] == rows[name].tolist()


def test_mlflows_store_has_every_metric_by_round_and_by_bytes(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    track_store(STORE, "mlflow", tmp_path)
    (run,) = track_store(STORE, "mlflow", tmp_path)
    client, rows = mlflow.MlflowClient(tracking_uri=tmp_path.as_uri()), load_results(STORE)
    experiment = client.get_experiment_by_name(STORE.name)
    (made,) = client.search_runs([experiment.experiment_id])  # the first is deleted
    assert (made.info.run_name, made.info.status) == (run, "FINISHED")
    assert made.data.params["model.name"] == "tiny-bert"
    for name in ("accuracy", "up_bytes", "train_loss"):
        for kind, steps in (("round", rows["round"]), ("bytes", rows["total_bytes"])):
            points = client.get_metric_history(made.info.run_id, f"by_{kind}/{name}")
            assert [point.step for point in points] == steps.tolist()
            assert [point.value for point in points] == rows[name].tolist()


def test_an_unknown_tracker_and_a_missing_one_are_one_line(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"unknown tracker 'tensorbord'; did you mean 'tensorb"):
        track_store(STORE, "tensorbord", tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"^tracker 'wandb' requires wandb: pip install wandb$"):
        track_store(STORE, "wandb", tmp_path)


def hang(store, name):
    time.sleep(600)


def break_down(store, name):
    raise RuntimeError("no")


def note(store, name):
    (store / "noted").write_text(name)


@pytest.mark.parametrize(
    ("track", "patience", "told"),
    [(hang, 0.5, "had not written all"), (break_down, 60, "failed")],
)
def test_a_tracker_that_hangs_or_fails_costs_no_run(tmp_path, track, patience, told, capfd):
    (tmp_path / "rounds.jsonl").write_text('{"round": 1}\n')
    said, made = [], []
    with tracking(tmp_path, "tensorboard", said.append, track=track, patience=patience):
        made.append("run")
    assert made == ["run"]
    (line,) = said
    assert line.startswith(f"tracker 'tensorboard' {told}")
    assert line.endswith(f"`fedbytes track {tmp_path} --to tensorboard` does")
    assert capfd.readouterr().err == ""


def test_folders_that_come_and_go_cost_the_tracker_nothing(tmp_path, monkeypatch):
    """A takeover: copies appear, are renamed and removed while rows are counted."""
    (tmp_path / "r" / ".attempt-2-x" / "copy").mkdir(parents=True)
    for folder in ("r", "gone", "r/.attempt-2-x/copy"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "rounds.jsonl").write_text("{}\n")
    real = Path.read_bytes

    def read(path):
        if path.parent.name == "gone":
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert live_tracking._rows_of(tmp_path) == {"r/rounds.jsonl": 1}

    class Over:
        looks = 0

        def is_set(self):
            return self.looks > 1

        def wait(self, seconds):
            self.looks += 1

    counts, tracked = iter([OSError("stale"), {"r": 1}, {"r": 2}]), []

    def rows(store):
        found = next(counts)
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(live_tracking, "_rows_of", rows)
    monkeypatch.setattr(live_tracking.signal, "signal", lambda *_: None)
    with warnings.catch_warnings():
        live_tracking._follow(tmp_path, "tensorboard", Over(), lambda *_: tracked.append(1))
    assert tracked == [1, 1]


def test_what_is_written_last_is_tracked_before_the_end(tmp_path):
    said: list[str] = []
    with tracking(tmp_path, "tensorboard", said.append, track=note, patience=60):
        (tmp_path / "rounds.jsonl").write_text('{"round": 1}\n')
    assert (tmp_path / "noted").read_text() == "tensorboard"
    assert said == []
