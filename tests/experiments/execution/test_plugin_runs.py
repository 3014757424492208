"""Runs with attacks, defences, cleaners, privacy and audits: what the store has of them."""

import json

import pandas as pd
import pytest

from fedbytes.experiments import (
    load_audits,
    load_deltas,
    load_ledger,
    load_results,
    load_runs,
    make_config,
    run,
)
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.store.run_folder import read_json_lines

FOUR = {"rounds": 4, "clients_per_round": 4, "partition": {"name": "iid", "num_clients": 4}}
ALL = {
    "attack": {"name": "sign_flip", "share": 0.25, "scale": 3},
    "defense": [{"name": "norm_clip", "norm": 1}, "norm_clip"],
    "clean": {"name": "loss", "drop": 0.1},
    "privacy": {"name": "clip", "norm": 5},
    "audit": "norms",
}


class CutError(Exception):
    """Stands for whatever ends a process."""


def cut(event):
    if isinstance(event, Advanced) and event.round == 3:
        raise CutError


def test_columns_provenance_and_holdings_say_what_acted(settings, tmp_path):
    folder = run(make_config(settings | FOUR | ALL), tmp_path)
    run(make_config(settings | FOUR), tmp_path)
    expected = {
        "attack": "sign_flip share=0.25 scale=3",
        "defense": "norm_clip norm=1 + norm_clip",
        "clean": "loss",
        "privacy": "clip norm=5",
        "audit": "norms",
    }
    for table in (load_results(tmp_path), load_runs(tmp_path)):
        for key, label in expected.items():
            assert set(table[key]) == {label, "none"}
    provenance = json.loads((folder.path / "provenance.json").read_text())
    holdings = json.loads((folder.path / "holdings.json").read_text())
    (hostile,) = provenance["attackers"][0]
    assert holdings["attackers"] == [hostile]
    norms = load_audits(tmp_path)
    assert norms.groupby("round").client.count().tolist() == [4, 4, 4, 4]
    assert set(norms.audit) == {"norms"}
    honest = norms[norms.client != hostile].norm
    assert honest.max() <= 5
    deltas = load_deltas(tmp_path).query("run == @folder.run")
    cleaned = pd.DataFrame(read_json_lines(folder.path / "cleaned.jsonl"))
    assert cleaned.groupby("round").dropped.sum().tolist() == deltas.dropped_examples.tolist()
    assert deltas.dropped_examples.tolist()[0] == 0
    assert deltas.dropped_examples.tolist()[1] > 0
    assert deltas.dropped_messages.tolist() == [0, 0, 0, 0]
    assert deltas.attackers.tolist() == [1, 1, 1, 1]
    assert "attackers_above_f" not in deltas.dropna(axis=1)  # norm_clip is for no number of them


def test_rounds_that_draw_more_attackers_than_a_rule_is_for_are_put_down(settings, tmp_path):
    """f is of the round: of ten clients four attack, and three or four take part in a round."""
    ten = {"rounds": 6, "clients_per_round": 5, "partition": {"name": "iid", "num_clients": 10}}
    fields = settings | ten | {"attack": {"name": "zero", "share": 0.4, "from_round": 2}}
    folder = run(make_config(fields | {"defense": {"name": "trimmed_mean", "f": 1}}), tmp_path)
    hostile = set(json.loads((folder.path / "provenance.json").read_text())["attackers"][0])
    deltas, ledger = load_deltas(tmp_path), load_ledger(tmp_path)
    for row in deltas.itertuples():
        drawn = set(ledger.query("round == @row.round and direction == 'up'").client)
        assert row.attackers == (len(drawn & hostile) if row.round > 1 else 0)
        assert row.attackers_above_f == max(0, row.attackers - 1)
    assert deltas.attackers_above_f.max() > 0
    spoilt = fields | {"attack": [{"name": "malformed", "share": 0.4}]}
    folder = run(make_config(spoilt | {"defense": "median"}), tmp_path / "malformed")
    deltas = load_deltas(tmp_path / "malformed")
    assert (deltas.dropped_messages == deltas.attackers).all()
    assert (deltas.attackers_above_f == 0).all()


def test_a_run_that_was_cut_ends_as_if_it_had_not_been(settings, tmp_path):
    config = make_config(settings | FOUR | ALL | {"checkpoint_every": 2})
    run(config, tmp_path / "whole")
    with pytest.raises(CutError):
        run(config, tmp_path / "cut", on_event=cut)
    run(config, tmp_path / "cut")
    for load in (load_results, load_ledger, load_deltas, load_audits):
        whole, again = (
            (table := load(tmp_path / name)).drop(
                columns=[c for c in table.columns if c.endswith("seconds")]
            )
            for name in ("whole", "cut")
        )
        pd.testing.assert_frame_equal(whole, again, check_exact=True)
    one, two = (
        read_json_lines(tmp_path / name / config.id / "cleaned.jsonl") for name in ("whole", "cut")
    )
    assert one == two


def test_a_run_with_audits_has_the_same_model_and_bytes(settings, tmp_path):
    plain, audited = make_config(settings), make_config(settings | {"audit": "norms"})
    for config, name in ((plain, "plain"), (audited, "audited")):
        run(config, tmp_path / name)
    drop = ["run", "audit", "seconds", "encode_seconds", "decode_seconds"]
    for load in (load_results, load_ledger):
        one, two = (
            load(tmp_path / n).drop(columns=drop, errors="ignore") for n in ("plain", "audited")
        )
        pd.testing.assert_frame_equal(one, two, check_exact=True)


POISON = """
from dataclasses import dataclass, replace
from fedbytes.federated import ATTACKS, Attack

@ATTACKS.register("{name}")
@dataclass(frozen=True, kw_only=True)
class Flip(Attack):
    def poison(self, task, parts, attackers, rng):
        labels = task.train.labels.copy()
        for client in {who}:
            labels[parts[client]] = 0
        return replace(task, train=replace(task.train, labels=labels)), parts
"""


def test_poisoned_rows_are_trained_on_and_others_may_not_be_touched(settings, tmp_path):
    files = {}
    for name, who in (("flips", "attackers"), ("cheats", "range(len(parts))")):
        files[name] = tmp_path / f"{name}.py"
        files[name].write_text(POISON.format(name=name, who=who))
    fields = settings | FOUR | {"rounds": 1, "plugins": [str(file) for file in files.values()]}
    run(make_config(settings | FOUR | {"rounds": 1}), tmp_path / "plain")
    folder = run(
        make_config(fields | {"attack": {"name": "flips", "share": 0.5}}), tmp_path / "bad"
    )
    plain, bad = load_results(tmp_path / "plain"), load_results(tmp_path / "bad")
    assert plain.train_loss[0] != bad.train_loss[0]
    assert len(json.loads((folder.path / "holdings.json").read_text())["attackers"]) == 2
    with pytest.raises(ValueError, match="'cheats' may change the training rows of its attackers"):
        run(make_config(fields | {"attack": {"name": "cheats", "share": 0.5}}), tmp_path / "no")
