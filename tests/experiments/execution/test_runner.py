"""One run: what it writes, and that a cut does not change it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from fedbytes.data import make_task
from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.results import (
    load_deltas,
    load_ledger,
    load_partitions,
    load_results,
    load_runs,
)
from fedbytes.noniid import Partition

TIMES = ["seconds"]


class CutError(Exception):
    """Stands for whatever ends a process."""


def cut_at(round_):
    def stop(event):
        if isinstance(event, Advanced) and event.round == round_:
            raise CutError

    return stop


@pytest.fixture
def config(settings):
    codec = {"name": "topk", "density": 0.1, "error_feedback": True}
    return make_config(settings | {"codec": codec, "rounds": 5})


def test_a_run_leaves_everything_that_the_design_names(config, tmp_path):
    folder = run(config, tmp_path)
    names = {path.name for path in folder.path.iterdir()}
    assert names >= {
        "config.yaml", "rounds.jsonl", "ledger.parquet", "summary.json", "provenance.json",
        "partition.npz", "done",
    }  # fmt: skip
    summary = json.loads((folder.path / "summary.json").read_text())
    phases = ("setup", "train", "evaluate", "encode", "decode", "aggregate", "other")
    assert sum(summary[f"seconds_{p}"] for p in phases) == pytest.approx(summary["seconds"])
    assert summary["peak_memory_bytes"] > 0
    assert ("peak_gpu_bytes" in summary) == torch.cuda.is_initialized()
    provenance = json.loads((folder.path / "provenance.json").read_text())
    assert {"commit", "dirty", "packages", "device", "threads", "assets"} <= provenance.keys()
    assert 0 <= provenance["heterogeneity"]["nmi"] <= 1


def test_a_target_is_found_and_written_down(settings, tmp_path):
    split = {"name": "dirichlet", "target": {"nmi": 0.3}, "num_clients": 4}
    config = make_config(settings | {"partition": split, "rounds": 1, "clients_per_round": 1})
    folder = run(config, tmp_path)
    found = json.loads((folder.path / "provenance.json").read_text())["found"]
    assert found["nmi"] == pytest.approx(0.3, abs=0.05)
    saved = Partition.load(folder.path / "partition.npz")
    assert saved.solved == found
    assert load_results(tmp_path).alpha.tolist() == [found["alpha"]]
    again = {"name": "file", "path": str(folder.path / "partition.npz"), "num_clients": 4}
    second = make_config(settings | {"partition": again, "rounds": 1, "clients_per_round": 1})
    assert Partition.load(run(second, tmp_path).path / "partition.npz") == saved


def test_the_tables_agree_with_what_crossed(config, tmp_path):
    crossed = []
    run(config, tmp_path, deliver=lambda data: crossed.append(len(data)) or data)
    results, ledger = load_results(tmp_path), load_ledger(tmp_path)
    assert ledger.message_bytes.sum() == sum(crossed)
    assert results.total_bytes.iloc[-1] == sum(crossed)
    assert (results.total_bytes == results.up_bytes + results.down_bytes).all()
    by_round = ledger.groupby("round").message_bytes.sum().cumsum()
    assert by_round.tolist() == results.total_bytes.tolist()
    expected = {
        "run", "suite", "task", "model", "adapter", "algorithm", "codec", "partition", "alpha",
        "heterogeneity", "seed", "round", "up_bytes", "down_bytes", "total_bytes", "accuracy",
        "macro_f1", "loss", "seconds",
    }  # fmt: skip
    assert expected <= set(results.columns)
    assert load_runs(tmp_path).status.tolist() == ["done"]


def test_who_holds_what_is_stored(config, tmp_path):
    folder = run(config, tmp_path)
    held = load_partitions(tmp_path)
    partition = Partition.load(folder.path / "partition.npz")
    assert held.groupby("client").examples.sum().tolist() == partition.sizes.tolist()
    labels = np.array(make_task(config.task).load().train.columns["label"])
    expected = pd.DataFrame({"client": partition.owners, "category": labels}).value_counts()
    found = held.set_index(["client", "category"]).examples
    assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize("rounds", [[1], [2, 4], [5]])
def test_a_run_that_was_cut_ends_as_if_it_had_not_been(config, tmp_path, rounds):
    run(config, tmp_path / "whole")
    for round_ in rounds:
        with pytest.raises(CutError):
            run(config, tmp_path / "cut", on_event=cut_at(round_))
    run(config, tmp_path / "cut")
    for load in (load_results, load_ledger, load_deltas):
        whole, cut = load(tmp_path / "whole"), load(tmp_path / "cut")
        times = [c for c in whole.columns if c.endswith("seconds")]
        pd.testing.assert_frame_equal(
            whole.drop(columns=times), cut.drop(columns=times), check_exact=True
        )


def test_rows_after_the_last_checkpoint_are_made_again(settings, tmp_path):
    config = make_config(settings | {"rounds": 5, "checkpoint_every": 2})
    run(config, tmp_path / "whole")
    with pytest.raises(CutError):
        run(config, tmp_path / "cut", on_event=cut_at(3))
    run(config, tmp_path / "cut")
    whole = load_results(tmp_path / "whole").drop(columns=TIMES)
    cut = load_results(tmp_path / "cut").drop(columns=TIMES)
    pd.testing.assert_frame_equal(whole, cut, check_exact=True)
    assert cut["round"].tolist() == [1, 2, 3, 4, 5]


def test_a_finished_run_is_left_alone(config, tmp_path):
    folder = run(config, tmp_path)
    before = (folder.path / "done").stat().st_mtime_ns
    run(config, tmp_path, on_event=cut_at(1))
    assert (folder.path / "done").stat().st_mtime_ns == before


def test_evaluation_can_be_sparse_and_the_last_round_is_always_in(settings, tmp_path):
    run(make_config(settings | {"rounds": 5, "evaluate_every": 2}), tmp_path)
    assert load_results(tmp_path)["round"].tolist() == [2, 4, 5]


def test_the_start_is_evaluated_where_it_is_asked_for_and_changes_nothing_after(settings, tmp_path):
    plain = settings | {"rounds": 3, "evaluate_every": 2, "model": "tiny-llama"}
    config = make_config(plain | {"evaluate_start": True})
    assert config.id != make_config(plain).id
    run(config, tmp_path / "with")
    run(make_config(plain), tmp_path / "without")
    found = load_results(tmp_path / "with")
    assert found["round"].tolist() == [0, 2, 3]
    assert found.total_bytes.iloc[0] == 0
    assert 0 <= found.accuracy.iloc[0] <= 1
    assert np.isnan(found.train_loss.iloc[0])
    later = found.iloc[1:].drop(columns=["run", *TIMES]).reset_index(drop=True)
    without = load_results(tmp_path / "without").drop(columns=["run", *TIMES])
    pd.testing.assert_frame_equal(later, without, check_exact=True)
    with pytest.raises(CutError):
        run(config, tmp_path / "cut", on_event=cut_at(1))
    run(config, tmp_path / "cut")
    cut = load_results(tmp_path / "cut").drop(columns=TIMES)
    pd.testing.assert_frame_equal(found.drop(columns=TIMES), cut, check_exact=True)


def test_how_far_clients_agree_is_stored_every_round(settings, tmp_path):
    run(make_config(settings | {"rounds": 5, "evaluate_every": 2}), tmp_path)
    deltas, results = load_deltas(tmp_path), load_results(tmp_path)
    assert deltas["round"].tolist() == [1, 2, 3, 4, 5]
    assert deltas.notna().all(axis=None)
    both = results.merge(deltas, on="round", suffixes=("", "_again"))
    for name in ("delta_cosine", "delta_diversity", "delta_norm", "delta_mean_norm"):
        assert both[name].tolist() == both[f"{name}_again"].tolist()


def test_codecs_share_partition_clients_batches_and_start(settings, tmp_path):
    # Paired by seed: a codec that loses nothing gives the very numbers of fp32.
    run(make_config(settings | {"codec": "fp32"}), tmp_path)
    run(make_config(settings | {"codec": {"name": "topk", "density": 1.0, "bits": 32}}), tmp_path)
    results = load_results(tmp_path)
    (_, first), (_, second) = results.groupby("run")
    assert first.codec.iloc[0] != second.codec.iloc[0]
    np.testing.assert_array_equal(first.accuracy, second.accuracy)
    np.testing.assert_array_equal(first.loss, second.loss)


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-bert"])
def test_training_beats_its_start(settings, tmp_path, model):
    algorithm = {"name": "fedavg", "local_steps": 8, "learning_rate": 0.01}
    fields = {"model": model, "algorithm": algorithm, "rounds": 8, "clients_per_round": 4}
    run(make_config(settings | fields), tmp_path)
    results = load_results(tmp_path)
    assert results.accuracy.iloc[-1] > 0.8
    assert results.train_loss.iloc[-1] < results.train_loss.iloc[0]


def test_causal_language_modelling_beats_its_start(settings, tmp_path):
    task = settings["task"] | {"kind": "causal-lm"}
    algorithm = {"name": "fedavg", "local_steps": 8, "learning_rate": 0.01}
    fields = {
        "task": task,
        "model": "tiny-llama",
        "adapter": "full",
        "algorithm": algorithm,
        "partition": {"name": "iid", "num_clients": 4, "factor": "length"},
        "codec": {"name": "int", "bits": 8},
    }
    run(make_config(settings | fields), tmp_path)
    results = load_results(tmp_path)
    assert results.perplexity.iloc[-1] < 0.8 * results.perplexity.iloc[0]
    assert results.accuracy.isna().all()
