"""What a run was made from is compared before its folder is reused or gone on with."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import load_results, load_runs, make_config, run
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.run_sources import model_files, sources_of
from fedbytes.experiments.execution.sweeps import sweep
from fedbytes.experiments.store.sealed_json import read_sealed
from fedbytes.experiments.store.sources import SourceChange, accept, compare
from fedbytes.federated.hooks import Hooks

PLUGIN = """
from dataclasses import dataclass
from helper_of_the_plugin import FACTOR
from fedbytes.compression.codec import CODECS, Codec

@CODECS.register("my_{name}")
@dataclass(frozen=True)
class Mine(Codec):
    def _encode(self, x, shared):
        return (x * FACTOR).tobytes()

    def _decode(self, data, shared):
        import numpy as np
        return np.frombuffer(data, np.float32).copy()
"""


class Silent:
    def started(self, config: Any) -> None: ...
    def on_event(self, config: Any, event: Any) -> None: ...


@pytest.fixture
def data(texts: Path, tmp_path: Path) -> Path:
    """A file of texts of the test's own."""
    return Path(shutil.copy(texts, tmp_path / "mine.csv"))


@pytest.fixture
def config(small: dict[str, Any], data: Path) -> Any:
    return make_config(small | {"task": small["task"] | {"path": str(data)}})


def swap_labels(path: Path) -> None:
    lines = path.read_text().replace(",sport", ",X").replace(",money", ",sport")
    path.write_text(lines.replace(",X", ",money"))


def forbidden(event: Any) -> None:
    pytest.fail(f"a round was run: {event}")


def test_other_data_under_one_id_are_refused_made_anew_or_accepted(
    config: Any, data: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s"
    folder = run(config, store)
    before = load_results(store).loss.tolist()
    assert load_runs(store).status.tolist() == ["done"]
    swap_labels(data)
    with pytest.raises(ValueError, match=r"mine\.csv was \w{12}, now \w{12}; .*--remake.*--accept"):
        run(config, store)
    (stale,) = load_runs(store).to_dict("records")
    assert stale["status"] == "stale"
    assert "mine.csv was" in stale["reason"]
    assert load_results(store).loss.tolist() == before

    run(config, store, if_stale="accept", on_event=forbidden)
    run(config, store, on_event=forbidden)
    taken = read_sealed(folder.path / "provenance.json")["accepted"]
    assert [change["path"] for change in taken[0]["changes"]] == [str(data)]
    assert load_runs(store).status.tolist() == ["done"]

    data.write_text(data.read_text() + "rain,weather\n")
    with pytest.raises(ValueError, match="is stale"):
        run(config, store)
    run(config, store, if_stale="remake")
    assert load_results(store).loss.tolist() != before
    assert "accepted" not in read_sealed(folder.path / "provenance.json")


def test_a_cut_run_does_not_go_on_with_other_data(config: Any, data: Path, tmp_path: Path) -> None:
    def stop(event: Any) -> None:
        if isinstance(event, Advanced) and event.round == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(config, tmp_path / "s", on_event=stop)
    swap_labels(data)
    with pytest.raises(ValueError, match="is stale"):
        run(config, tmp_path / "s")
    assert load_runs(tmp_path / "s").status.tolist() == ["stale"]
    run(config, tmp_path / "s", if_stale="remake")
    run(config, tmp_path / "fresh")
    made = [load_results(tmp_path / name).loss.tolist() for name in ("s", "fresh")]
    assert made[0] == made[1]


def test_a_sweep_leaves_a_stale_run_alone_and_says_so(
    config: Any, data: Path, tmp_path: Path
) -> None:
    run(config, tmp_path)
    swap_labels(data)
    outcome = sweep([config], tmp_path, workers=1, reporter=Silent())
    assert "is stale" in outcome.failed[config.id]
    assert not (tmp_path / config.id / "error.json").exists()
    outcome = sweep([config], tmp_path, workers=1, if_stale="accept", reporter=Silent())
    assert outcome.skipped == [config.id]
    assert sweep([config], tmp_path, workers=1, reporter=Silent()).skipped == [config.id]
    data.write_text(data.read_text() + "rain,weather\n")
    outcome = sweep([config], tmp_path, workers=1, if_stale="remake", reporter=Silent())
    assert outcome.done == [config.id]


def test_two_people_with_files_of_one_name_are_told_apart(
    small: dict[str, Any], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(small | {"task": small["task"] | {"path": "notes.csv"}})
    for person in ("ann", "bob"):
        (tmp_path / person).mkdir()
        shutil.copy(data, tmp_path / person / "notes.csv")
    swap_labels(tmp_path / "bob" / "notes.csv")
    monkeypatch.chdir(tmp_path / "ann")
    run(config, "s")
    shutil.copytree(tmp_path / "ann" / "s", tmp_path / "bob" / "s")
    monkeypatch.chdir(tmp_path / "bob")
    with pytest.raises(ValueError, match=r"notes\.csv was"):
        run(config, "s")
    assert load_runs("s").status.tolist() == ["stale"]
    monkeypatch.chdir(tmp_path)  # where there is no such file
    (seen,) = load_runs("bob/s").to_dict("records")
    assert (seen["status"], seen["reason"]) == ("done", "unverified: notes.csv is not there")
    run(config, "bob/s", on_event=forbidden)


def test_a_run_from_before_digests_is_reused_and_unverified(config: Any, tmp_path: Path) -> None:
    folder = run(config, tmp_path)
    path = folder.path / "provenance.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in kept.items() if k not in ("sources", "sha256")}))
    run(config, tmp_path, on_event=forbidden)
    (seen,) = load_runs(tmp_path).to_dict("records")
    assert (seen["status"], "no digests" in seen["reason"]) == ("done", True)


def test_plugin_files_and_what_they_import_are_sources(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helper_of_the_plugin.py").write_text("FACTOR = 1\n\ndef used():\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    files = {name: tmp_path / f"plugin_{name}.py" for name in ("a", "b")}
    for name, path in files.items():
        text = PLUGIN.replace("{name}", name)
        path.write_text(text.replace("import FACTOR", "import FACTOR, used"))
    both = [str(path) for path in files.values()]
    config = make_config(small | {"plugins": both, "codec": "my_a"})
    found = sources_of(config)["plugins"]
    assert set(found) == {str(files["a"]), str(tmp_path / "helper_of_the_plugin.py")}
    helper = tmp_path / "helper_of_the_plugin.py"
    helper.write_text("FACTOR = 2\n")
    assert sources_of(config)["plugins"][str(helper)] != found[str(helper)]
    assert "plugins" not in sources_of(make_config(small | {"plugins": both}))


def keep_all(delta: Any, context: Any) -> Any:
    return delta


def test_the_code_of_hooks_is_a_source(small: dict[str, Any]) -> None:
    found = sources_of(make_config(small), Hooks(after_client=(keep_all,)))
    assert Path(__file__) in {Path(path) for path in found["plugins"]}


def test_saved_partitions_are_sources(small: dict[str, Any], tmp_path: Path) -> None:
    folder = run(make_config(small), tmp_path)
    path = str(folder.path / "partition.npz")
    split = {"name": "file", "path": path, "num_clients": 2}
    found = sources_of(make_config(small | {"partition": split}))
    assert list(found["partition"]) == [path]


def test_files_of_a_model_folder(tmp_path: Path) -> None:
    names = (
        "config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json", "vocab.txt",
        "optimizer.pt", "README.md", "trainer_state.json", ".hidden.json", "tokenizer.model",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("{}")
    found = {path.name for path in model_files(str(tmp_path))}
    assert found == {
        "config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "tokenizer.model",
    }  # fmt: skip


OLD = {"sources": {"task": {"a.txt": "1", "b.txt": "2"}, "plugins": {"old/c.py": "3"}}}


@pytest.mark.parametrize(
    ("now", "changed", "unverified"),
    [
        ({"task": {"a.txt": "1", "b.txt": "2"}, "plugins": {"new/c.py": "3"}}, [], ""),
        ({"task": {"a.txt": "1", "b.txt": "9"}, "plugins": {"c.py": "3"}}, ["b.txt"], ""),
        ({"task": {"a.txt": "1"}, "plugins": {"c.py": "3"}}, ["b.txt"], ""),
        (
            {"task": {"a.txt": "1", "b.txt": "2", "c.txt": "4"}, "plugins": {"c.py": "3"}},
            ["c.txt"],
            "",
        ),
        ({"task": {"a.txt": "1", "b.txt": None}, "plugins": {"c.py": "3"}}, [], "b.txt is"),
        ({"task": {}, "plugins": {"c.py": "3"}}, [], "a.txt, b.txt are"),
        ({"task": {"/new/a.txt": "1", "/new/b.txt": "2"}, "plugins": {"c.py": "3"}}, [], ""),
        (
            {"task": {"z.txt": "1", "b.txt": "2"}, "plugins": {"c.py": "3"}},
            ["a.txt", "z.txt"],
            "",
        ),
        (
            {"task": {"north/a.txt": "1", "b.txt": "2"}, "plugins": {"c.py": "3"}},
            ["a.txt", "north/a.txt"],
            "",
        ),
        (
            {"task": {"a.txt": "1", "b.txt": "2"}, "plugins": {"new/c.py": "4"}},
            ["new/c.py", "old/c.py"],
            "",
        ),
    ],
)
def test_comparing(now: Any, changed: list[str], unverified: str) -> None:
    found = compare(OLD, now)
    assert sorted(one.path for one in found.changed) == changed
    assert found.unverified.startswith(unverified)
    assert bool(found.unverified) == bool(unverified)
    assert not compare(accept(OLD, found.changed, "today"), now).changed


def test_what_changed_is_said_in_a_few_words() -> None:
    changes = [SourceChange("task", f"{i}.txt", "0" * 64, "1" * 64) for i in range(5)]
    what = compare(OLD, {}).__class__(tuple(changes)).what
    assert what.startswith("0.txt was 000000000000, now 111111111111; ")
    assert what.endswith("and 2 more")


@pytest.fixture
def revised(small: dict[str, Any]) -> Callable[[int], None]:
    """Set the revision that a plug-in of the tests' own has."""
    from fedbytes.federated.algorithms.fedavg import FedAvg

    patch = pytest.MonkeyPatch()

    def to(revision: int) -> None:
        patch.setattr(FedAvg, "revision", property(lambda _: revision))

    yield to
    patch.undo()


def test_a_run_of_an_earlier_revision_is_stale_and_still_read(
    small: dict[str, Any], revised: Callable[[int], None], tmp_path: Path
) -> None:
    old = make_config(small | {"rounds": 1})
    run(old, tmp_path)
    revised(2)
    new = make_config(small | {"rounds": 1})
    assert new.id != old.id
    run(new, tmp_path)
    runs = load_runs(tmp_path).set_index("run")
    assert runs.status[new.id] == "done"
    assert runs.status[old.id] == "stale"
    assert runs.reason[old.id] == "algorithm fedavg was made at revision 1, now 2"
    assert set(load_results(tmp_path).run) == {old.id, new.id}


def test_figures_leave_stale_runs_out_where_there_are_others_and_say_so(
    config: Any, small: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    from fedbytes.plots.output.report import write_report
    from fedbytes.plots.tables.read_store import read_tables

    run(config, tmp_path / "s")
    swap_labels(data)
    tables = read_tables(tmp_path / "s")
    assert set(tables.finished().run) == {config.id}
    other = make_config(small | {"seed": 5, "task": small["task"] | {"path": str(data)}})
    run(other, tmp_path / "s")
    tables = read_tables(tmp_path / "s")
    assert set(tables.finished().run) == {other.id}
    page = write_report(tables, tmp_path / "r.html", figures=[]).read_text(encoding="utf-8")
    assert "1 stale run is left out" in page


def test_hashes_are_remembered_by_size_time_and_inode(tmp_path: Path) -> None:
    from fedbytes.process.file_digests import FileDigests

    path, cache = tmp_path / "f", tmp_path / "c" / "files.json"
    path.write_text("one")
    os.utime(path, (1, 1))
    first = FileDigests(cache)
    digest = first.digest(path)
    first.save()
    kept = json.loads(cache.read_text())
    kept[str(path)][-1] = "remembered"
    cache.write_text(json.dumps(kept))
    again = FileDigests(cache)
    assert again.digest(path) == "remembered"
    path.write_text("two")
    os.utime(path, (1, 1))
    assert again.digest(path) not in ("remembered", digest)
    assert again.digest(tmp_path / "none") is None
    cache.write_text("[broken")
    assert FileDigests(cache).digest(path) is not None
