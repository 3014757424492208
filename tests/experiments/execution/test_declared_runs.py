"""What runs under a protocol leave: its digest, which texts were right, two seeds, a control."""

import json

import numpy as np
import pytest

from fedbytes.experiments import load_predictions, load_results, make_config
from fedbytes.experiments.execution.client_split import split_examples
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.per_text.right_answers import (
    kept_rounds,
    pack_right,
    unpack_right,
)
from fedbytes.experiments.store.sealed_json import DamageError
from fedbytes.models import encode_task
from fedbytes.noniid import Partition
from fedbytes.plots import read_tables


def test_right_texts_of_the_last_evaluations_are_stored(settings, tmp_path):
    run(make_config(settings | {"rounds": 5}), tmp_path)
    rows, results = load_predictions(tmp_path), load_results(tmp_path)
    assert rows["round"].tolist() == [3, 4, 5]
    accuracies = results.set_index("round")["accuracy"]
    for row in rows.itertuples():
        assert row.right.dtype == bool
        assert row.right.mean() == accuracies[row.round]


def test_a_protocol_that_averages_more_keeps_more(settings, tmp_path):
    declared = {"declared": {"protocol": {"final": "last5"}}}
    run(make_config(settings | {"rounds": 6} | declared), tmp_path)
    assert load_predictions(tmp_path)["round"].tolist() == [2, 3, 4, 5, 6]


def test_a_cut_run_has_them_as_an_undisturbed_one(settings, tmp_path):
    class CutError(Exception):
        pass

    def cut(event):
        if isinstance(event, Advanced) and event.round == 3:
            raise CutError

    config = make_config(settings | {"checkpoint_every": 2})
    run(config, tmp_path / "whole")
    with pytest.raises(CutError):
        run(config, tmp_path / "cut", on_event=cut)
    run(config, tmp_path / "cut")
    files = [
        (tmp_path / name / config.id / "predictions.jsonl").read_text() for name in ("whole", "cut")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("texts", [1, 8, 13])
def test_bits_are_read_as_they_were_written(texts):
    right = np.arange(texts) % 3 == 0
    assert np.array_equal(unpack_right(pack_right(1, right)), right)


@pytest.mark.parametrize("change", [{"texts": 99}, {"right": "!"}, {"texts": None}])
def test_altered_bits_are_damage(change):
    with pytest.raises(DamageError, match=r"predictions\.jsonl is altered"):
        unpack_right(pack_right(1, np.ones(9, bool)) | change)


def test_the_last_evaluations_are_those_that_a_run_makes():
    assert kept_rounds(10, 4, 3) == {4, 8, 10}
    assert kept_rounds(5, 1, 3) == {3, 4, 5}
    assert kept_rounds(1, 1, 3) == {1}


def test_the_protocol_stands_in_the_provenance_alone(settings, tmp_path):
    declared = {"protocol": {"margin": 0.01, "sha256": "aa"}}
    folder = run(make_config(settings | {"rounds": 1, "declared": declared}), tmp_path)
    assert json.loads((folder.path / "provenance.json").read_text())["protocol"]["sha256"] == "aa"
    assert "declared" not in (folder.path / "config.yaml").read_text()


def test_a_partition_has_a_seed_of_its_own(settings):
    def split(**fields):
        config = make_config(settings | {"partition": settings["partition"] | fields, "seed": 3})
        train = encode_task(config.components.task, config.components.model).train
        return config, split_examples(config, train.columns).partition

    plain, own = split()
    other, theirs = split(seed=7)
    _, back = split(seed=3)
    assert "seed" not in plain.partition
    assert other.id != plain.id
    assert own.fingerprint == back.fingerprint != theirs.fingerprint


def test_a_crossed_design_is_paired_by_both_seeds(settings, tmp_path):
    for partition in (4, 5):
        for seed in (0, 1):
            split = settings["partition"] | {"seed": partition}
            config = make_config(settings | {"rounds": 1, "seed": seed, "partition": split})
            run(config, tmp_path)
    tables = read_tables(tmp_path)
    one = tables.results.drop_duplicates("run").sort_values("seed")
    assert one["seed"].tolist() == [40, 41, 50, 51]
    assert one["training_seed"].tolist() == [0, 1, 0, 1]
    assert sorted(tables.runs["seed"]) == [40, 41, 50, 51]
    splits = [Partition.load(path).fingerprint for path in tmp_path.glob("*/partition.npz")]
    assert len(set(splits)) == 2


def test_the_control_differs_by_its_batches_alone(settings, tmp_path):
    configs = [make_config(settings | {"batch_stream": stream}) for stream in (0, 1)]
    assert make_config(settings).id == configs[0].id != configs[1].id
    splits = []
    for config in configs:
        folder = run(config, tmp_path)
        splits.append(json.loads((folder.path / "provenance.json").read_text())["partition"])
    assert splits[0] == splits[1]
    found = load_results(tmp_path).set_index(["codec", "round"])
    assert set(found.index.get_level_values(0)) == {"fp32", "fp32 again"}
    assert found.loc["fp32", "total_bytes"].equals(found.loc["fp32 again", "total_bytes"])
    assert found.loc[("fp32", 1), "loss"] != found.loc[("fp32 again", 1), "loss"]
