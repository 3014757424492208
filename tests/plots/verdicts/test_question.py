"""What is asked of a store: as declared, or as the caller says, which is then said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known_stores import store_of

from fedbytes.experiments.config.declaration.protocol import Protocol
from fedbytes.plots import compare_codecs, measure_power, measure_verdicts, summary, verdict_text
from fedbytes.plots.tables.declared_protocol import DeclaredProtocol, find_declared
from fedbytes.plots.tables.shown_labels import shorten_labels
from fedbytes.plots.verdicts.question import ask
from fedbytes.plots.verdicts.verdict_text import explain_verdicts

NOISE = np.array([-1.0, 0.5, 0.0, 1.0, -0.5, 0.3]) / 1000


def declared(tables, overrides=(), undeclared=0, **fields):
    protocol = Protocol(**fields)
    found = DeclaredProtocol(protocol, protocol.digest, overrides, undeclared, 12)
    return replace(tables, declared=found)


@pytest.fixture
def store():
    return store_of({"a": NOISE - 0.004})


def test_without_a_protocol_nothing_is_declared(store):
    asked = ask(store, target=0.8)
    assert (asked.final, asked.targets, asked.notes, asked.target_origin) == (
        "last3",
        (0.8,),
        (),
        "",
    )


def test_the_protocol_decides_what_the_caller_leaves_open(store):
    tables = declared(store, margin=0.02, targets=(0.85, 0.9), final="last", baseline="a")
    found = measure_verdicts(tables).iloc[0]
    assert found["margin"] == 0.02
    assert (found["target"], found["target_origin"]) == (0.85, "declared")
    assert (found["final"], found["evaluations"]) == ("last", 1)
    assert (found["baseline"], found["codec"]) == ("a", "fp32")
    assert measure_power(tables)["margin"].iloc[0] == 0.02


def test_all_declared_targets_are_in_the_table(store):
    frame = measure_verdicts(declared(store, targets=(0.85, 0.95)))
    assert frame["other_targets"].iloc[0].startswith("95.0: 0 of 6 reached with 600 B")
    assert "Other targets" in verdict_text(frame)
    alone = measure_verdicts(declared(store, targets=(0.85, 0.95)), target=0.9)
    assert "Other targets" not in verdict_text(alone)


def test_another_choice_is_said_to_come_after_the_runs(store):
    tables = declared(store, margin=0.02, targets=(0.85, 0.9))
    asked = ask(tables, margin=0.03, target=0.8, final="last3")
    assert asked.afterwards == ("margin", "target")
    assert "The margin was chosen after the runs: the protocol declares 0.02." in asked.notes
    assert "The target was chosen after the runs: the protocol declares 0.85, 0.9." in asked.notes
    assert asked.target_origin == "chosen after the runs"
    assert ask(tables, target=0.9, margin=0.02).afterwards == ()


def test_the_usual_is_what_a_protocol_that_leaves_it_open_declares(store):
    tables = declared(store, targets=(0.85,))
    assert ask(tables, metric="accuracy", margin=0.005, baseline="fp32").afterwards == ()
    other = ask(tables, metric="loss", margin=0.01, baseline="a")
    assert other.afterwards == ("metric", "margin", "baseline")
    assert (
        "The margin was chosen after the runs: the protocol declares the usual one." in other.notes
    )


def test_what_departs_from_it_is_said(store):
    tables = declared(store, ("rounds=2",), 3, seeds=(0, 1, 2, 3, 4, 9))
    notes = " ".join(ask(tables).notes)
    assert "Swept with rounds=2, which departs" in notes
    assert "3 of 12 runs were made before it was declared" in notes
    assert "Declared seeds without a run: 9." in notes
    assert "Seeds that were not declared: 5." in notes


def test_final_values_of_tables_and_figures_are_the_declared_mean():
    tables = store_of({"a": NOISE})
    tables.results.loc[tables.results["round"] == 6, "accuracy"] += 0.3
    plain = summary(replace(tables, final="last")).set_index("codec")["value"]
    averaged = summary(declared(tables)).set_index("codec")["value"]
    assert plain["fp32"] - averaged["fp32"] == pytest.approx(0.2)
    assert compare_codecs(declared(tables)).window == 3


def test_short_labels_keep_the_declared_baseline():
    long = "a method whose name does not fit into the legend of any figure at all"
    tables = declared(store_of({long: NOISE}), baseline=long)
    shown, names = shorten_labels(tables)
    assert shown.declared.protocol.baseline == names[long] != long
    assert shown.declared.sha256 == tables.declared.sha256


def test_a_store_has_the_protocol_that_its_runs_share():
    one, other = (
        Protocol(margin=m).model_dump(mode="json") | {"sha256": Protocol(margin=m).digest}
        for m in (0.01, 0.02)
    )
    records = [{"protocol": one}, {"protocol": one}]
    assert find_declared(None, records).protocol.margin == 0.01
    assert find_declared(None, [*records, {}]) is None
    assert find_declared(None, [*records, {"protocol": other}]) is None
    assert find_declared(None, []) is None
    later = find_declared(one, [*records, {}, {"protocol": other}])
    assert (later.undeclared, later.runs) == (2, 4)
    assert find_declared(one | {"overrides": ["seed=0"]}, records).overrides == ("seed=0",)


def constant(tables, value):
    return replace(tables, runs=tables.runs.assign(constant_accuracy=value))


def test_a_target_near_the_constant_answer_is_refused_or_said(store):
    with pytest.raises(ValueError, match=r"target 0\.85 is within 0\.05 of what a constant answer"):
        measure_verdicts(constant(store, 0.81), target=0.85)
    assert measure_verdicts(constant(store, 0.79), target=0.85)["reached"].iloc[0] == 6
    assert measure_verdicts(constant(store, np.nan), target=0.85)["reached"].iloc[0] == 6
    found = measure_verdicts(constant(store, 0.88))
    assert np.isnan(found["ratio"].iloc[0])
    assert found["times_fewer"].iloc[0] == "–"
    assert "which a constant answer comes near" in " ".join(explain_verdicts(found))


def test_bounds_over_texts_follow_from_stored_answers(store):
    random = np.random.default_rng(0)
    share = {"f": 0.9, "a": 0.8}
    rows = [
        {"run": run, "round": r, "right": random.random(400) < share[run[0]]}
        for run in store.runs["run"]
        for r in (4, 5, 6)
    ]
    tables = replace(store, predictions=pd.DataFrame(rows))
    found = measure_verdicts(tables).iloc[0]
    assert found["text_low"] < -0.1 < found["text_high"]
    assert "Over texts: bounds that hold" in " ".join(explain_verdicts(measure_verdicts(tables)))
    one_lost = replace(tables, predictions=tables.predictions[tables.predictions["run"] != "a-3"])
    lost = measure_verdicts(one_lost)
    assert np.isnan(lost["text_low"].iloc[0])
    assert "not stored" in " ".join(explain_verdicts(lost))
    assert np.isnan(measure_verdicts(tables, metric="loss")["text_low"].iloc[0])
