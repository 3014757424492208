"""Rows of parts of a suite become those of the whole, or a line says why not."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.find_runs import run_folders
from fedbytes.plots import read_store_or_rows, read_tables, sample_tables, write_data
from fedbytes.plots.tables.kept.made_from import describe_origin, join_parts, split_parts
from fedbytes.plots.tables.kept.merge_rows import RowsPart, merge_parts

CODECS = ("fp32", "nf4")
PROTOCOL = {"metric": "accuracy", "margin": 0.005, "targets": [0.8], "seeds": [0, 1, 2]}


def part(name, seeds, commit="a" * 40, codecs=CODECS, **changes):
    tables = sample_tables((0.1,), seeds=seeds, rounds=4, codecs=codecs)
    made = [record | {"commit": commit} for record in tables.runs["provenance"]]
    tables = replace(tables, runs=tables.runs.assign(provenance=made), **changes)
    return RowsPart(name, tables, describe_origin(tables.runs))


@pytest.fixture(scope="module")
def stores(tmp_path_factory, texts):
    """A store of four runs, and its halves by seed, the second from another commit."""
    root = tmp_path_factory.mktemp("stores")
    settings = {
        "task": {"name": "file", "path": str(texts), "max_length": 32},
        "model": {"name": "tiny-bert"},
        "adapter": {"name": "lora", "rank": 2},
        "partition": {"name": "dirichlet", "alpha": 1.0, "num_clients": 4},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 8, "learning_rate": 0.01},
        "clients_per_round": 2,
        "audit": {"name": "text_attacks", "attacks": ["char_swap"], "texts": 4, "rounds": [2]},
        "rounds": 2,
    }
    for codec in ("fp32", {"name": "int", "bits": 4}):
        for seed in (0, 1):
            run(make_config(settings | {"codec": codec, "seed": seed}), root / "whole")
    for folder in run_folders(root / "whole"):
        half = root / f"half{folder.settings()['seed']}" / folder.run
        shutil.copytree(folder.path, half)
    for folder in run_folders(root / "half1"):
        folder.write_json("provenance.json", folder.provenance() | {"commit": "b" * 40})
    return root


def test_halves_give_the_files_of_the_whole(stores, tmp_path, fedbytes):
    write_data(read_tables(stores / "whole"), tmp_path / "whole")
    write_data(read_tables(stores / "half0"), tmp_path / "half0")
    done = fedbytes("merge", tmp_path / "half0", stores / "half1", "--out", tmp_path / "both")
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 runs: 2 of " in done.stdout
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "both").iterdir())
    for name in names:
        if name != "provenance.json":
            both = (tmp_path / "both" / name).read_bytes()
            assert both == (tmp_path / "whole" / name).read_bytes(), name
    origin = json.loads((tmp_path / "both" / "provenance.json").read_text(encoding="utf-8"))
    assert len(origin["runs"]) == 4
    assert origin["parts"][1]["commit"] == "b" * 40
    halves = [{folder.run for folder in run_folders(stores / f"half{i}")} for i in (0, 1)]
    assert [set(found["runs"]) for found in origin["parts"]] == halves
    read = read_store_or_rows(tmp_path / "both")
    commits = read.runs.set_index("run")["provenance"].map(lambda known: known["commit"])
    assert {run for run in commits.index if commits[run] == "b" * 40} == halves[1]


def test_the_folder_may_be_one_of_the_parts_and_no_other(stores, tmp_path, fedbytes):
    for half in ("half0", "half1"):
        write_data(read_tables(stores / half), tmp_path / half)
    mine, other = tmp_path / "half0", tmp_path / "half1"
    refused = fedbytes("merge", mine, stores / "half1", "--out", other)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "holds rows that are not among those" in refused.stderr
    assert fedbytes("merge", mine, stores / "half1", "--out", mine).returncode == 0
    assert len(read_store_or_rows(mine).runs) == 4
    for words in ([mine], [mine, mine]):
        assert "two folders or more, each once" in fedbytes("merge", *words, "--out", mine).stderr
    in_store = fedbytes("merge", mine, other, "--out", stores / "half1")
    assert "is a store" in in_store.stderr


def test_parts_of_parts_keep_their_commits():
    parts = [part(name, [seed], commit=name * 40) for seed, name in enumerate("abc")]
    tables, origin, _ = merge_parts(parts[:2])
    _, origin, taken = merge_parts([RowsPart("ab", tables, origin), parts[2]])
    assert [found["commit"][0] for found in origin["parts"]] == ["a", "b", "c"]
    assert origin["threads"] == 1
    assert [len(runs) for runs in taken.values()] == [4, 2]
    assert [found["runs"] for found in split_parts(origin)] == [
        sorted(one.tables.runs["run"]) for one in parts
    ]


def test_a_store_of_two_commits_says_which_runs_are_of_which():
    runs = [
        part("a", [0], commit="a" * 40).tables.runs,
        part("b", [1], commit="b" * 40).tables.runs,
    ]
    origin = describe_origin(pd.concat(runs, ignore_index=True))
    assert [found["runs"] for found in origin["parts"]] == [one["run"].tolist() for one in runs]
    assert "commit" not in origin
    alone = describe_origin(runs[0])
    assert join_parts([alone]) == alone
    assert "parts" not in alone


def test_a_run_of_both_is_taken_once_and_from_where_it_is_finished():
    one, two = part("a", [0, 1]), part("b", [1, 2], commit="b" * 40)
    _, origin, taken = merge_parts([one, two])
    assert [len(runs) for runs in taken.values()] == [4, 2]
    assert [len(found["runs"]) for found in origin["parts"]] == [4, 2]
    status = ["interrupted" if run.endswith("-1") else "done" for run in one.tables.runs["run"]]
    halted = replace(one.tables, runs=one.tables.runs.assign(status=status))
    _, _, taken = merge_parts([RowsPart("a", halted, one.origin), two])
    assert [len(runs) for runs in taken.values()] == [2, 4]


def test_other_rows_of_a_run_are_refused():
    one, two = part("a", [0]), part("b", [0, 1])
    rows = two.tables.results.copy()
    rows.loc[rows.index[2], "accuracy"] += 0.001
    changed = RowsPart("b", replace(two.tables, results=rows), two.origin)
    with pytest.raises(
        ValueError, match=r"in a and in b with other rows \(accuracy by up to 0.001"
    ):
        merge_parts([one, changed])


def test_labels_and_seeds_are_those_of_the_whole():
    def labelled(name, seed, codec):
        made = part(name, [seed], codecs=[codec]).tables
        raw = made.results.drop_duplicates("run").set_index("run")
        columns = {key: made.runs["run"].map(raw[key]) for key in ("codec", "adapter", "algorithm")}
        results = made.results.assign(label="mine", codec="mine", adapter="", algorithm="")
        runs = made.runs.assign(label="mine", **columns)
        return RowsPart(name, replace(made, results=results, runs=runs), describe_origin(runs))

    tables, _, _ = merge_parts([labelled("a", 0, "fp32"), labelled("b", 0, "nf4")])
    assert set(tables.results["codec"]) == {"mine · fp32", "mine · nf4"}

    def crossed(name, seed, split):
        made = part(name, [seed]).tables
        own = {"partition_seed": split, "training_seed": seed, "seed": split * 10 + seed}
        results, runs = made.results.assign(**own), made.runs.assign(**own)
        return RowsPart(name, replace(made, results=results, runs=runs), describe_origin(runs))

    tables, _, _ = merge_parts([crossed("a", 3, 1), crossed("b", 12, 2)])
    assert set(tables.results["seed"]) == {103, 212}
    assert set(tables.results["training_seed"]) == {3, 12}


def test_parts_that_contradict_each_other_are_refused():
    good, other = part("a", [0]), part("b", [1])
    runs = other.tables.runs
    renamed = RowsPart("b", replace(other.tables, runs=runs.assign(suite="mine")), {})
    with pytest.raises(ValueError, match="a holds runs of quickstart, b of mine"):
        merge_parts([good, renamed])
    bare = RowsPart("b", replace(other.tables, runs=runs.drop(columns="config")), {})
    with pytest.raises(ValueError, match="b does not tell the configurations"):
        merge_parts([good, bare])
    suites = [{"baseline": "fp32", "target": 0.8}, {"baseline": "nf4", "target": 0.8}]
    with pytest.raises(ValueError, match="a has the baseline fp32, that of b nf4"):
        merge_parts([replace(p, suite=s) for p, s in zip((good, other), suites, strict=True)])


def test_protocols_that_differ_are_refused(tmp_path, fedbytes):
    for name, margin in (("a", 0.005), ("b", 0.01)):
        tables = part(name, [0] if name == "a" else [1]).tables
        write_data(tables, tmp_path / name)
        suite = {"name": "s", "protocol": PROTOCOL | {"margin": margin}}
        (tmp_path / name / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    refused = fedbytes("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "was run under protocol" in refused.stderr
    assert not (tmp_path / "c").exists()
    (tmp_path / "b" / "suite.json").unlink()
    refused = fedbytes("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c")
    assert "under no protocol" in refused.stderr
