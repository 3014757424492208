"""The verdicts of a store, with a truth that is put in."""

from dataclasses import replace
from math import isnan, log
from pathlib import Path

import numpy as np
import pytest
from known_stores import both, changed, store_of

from fedbytes.plots import (
    compare_with_margin,
    measure_verdicts,
    read_store_or_rows,
    verdict_text,
)
from fedbytes.plots.verdicts.verdict_text import explain_verdicts

NOISE = np.array([-1.0, 0.5, 0.0, 1.0, -0.5, 0.3]) / 1000
METHODS = {
    "better": NOISE + 0.004,
    "equal": NOISE,
    "bad": NOISE - 0.02,
    "loud": NOISE * 20,
}
CODECS = Path(__file__).parents[3] / "docs" / "results" / "codecs"


def rows(tables, **how):
    return measure_verdicts(tables, **how).set_index("codec")


def test_each_method_gets_its_word():
    found = rows(store_of(METHODS))
    assert found["word"].to_dict() == {
        "better": "better", "equal": "equal", "bad": "worse", "loud": "not shown",
    }  # fmt: skip
    assert found.loc["loud", "verdict"].startswith("not shown: about n = ")
    assert found.loc["loud", "seeds_needed"] > 20
    assert found.loc["bad", "difference"] == pytest.approx(-0.02 + NOISE.mean())
    assert (found["n"] == 6).all()


def test_the_numbers_are_those_of_the_tests():
    found = rows(store_of({"a": NOISE * 3}), margin=0.004)
    expected = compare_with_margin(NOISE * 3, 0.004)
    for name in ("low", "high", "sd", "p_non_inferior", "p_equal"):
        assert found.loc["a", name] == pytest.approx(getattr(expected, name))


def test_a_metric_that_falls_is_turned():
    losses = store_of({"good": -NOISE - 0.05, "bad": 0.05 - NOISE}, base=2.0, metric="perplexity")
    found = rows(losses, margin=0.01)
    assert found["word"].to_dict() == {"good": "better", "bad": "worse"}
    # Differences are those of the logarithm, and keep their sign.
    gap = np.mean([log(2.05 + 0.01 * s - n) - log(2 + 0.01 * s) for s, n in enumerate(NOISE)])
    assert found.loc["bad", "difference"] == pytest.approx(gap, abs=1e-4)
    assert found.loc["bad", "low"] < gap < found.loc["bad", "high"]


def test_the_final_value_is_the_mean_of_the_last_three():
    tables = store_of({"a": NOISE})
    spiked = tables.results.copy()
    spiked.loc[(spiked["codec"] == "a") & (spiked["round"] == 6), "accuracy"] -= 0.03
    tables = type(tables)(spiked, tables.ledger, tables.partitions, tables.runs)
    last, three = rows(tables, final="last"), rows(tables)
    assert last.loc["a", "difference"] == pytest.approx(NOISE.mean() - 0.03)
    assert three.loc["a", "difference"] == pytest.approx(NOISE.mean() - 0.01)


def test_below_five_seeds_the_seeds_are_shown():
    frame = measure_verdicts(store_of({"a": NOISE[:3]}, seeds=range(3)))
    shown = verdict_text(frame).iloc[0]
    assert shown["Verdict"] == "no verdict"
    assert shown["Difference"] == "−0.10, +0.05, +0.00"
    assert isnan(frame["low"].iloc[0])
    assert any("Below 5 seeds" in line for line in explain_verdicts(frame))


def test_one_seed_and_a_method_that_sends_nothing():
    one = measure_verdicts(store_of({"a": NOISE[:1]}, seeds=[7]))
    assert (one["verdict"].iloc[0], one["differences"].iloc[0]) == ("no verdict", "7:-0.001")
    assert not any("texts" in note for note in explain_verdicts(one))
    silent = measure_verdicts(store_of({"alone": NOISE - 0.1}, sizes={"alone": 0}))
    assert (silent["word"].iloc[0], silent["times_fewer"].iloc[0]) == ("worse", "–")
    assert silent["to_target"].iloc[0] == "sends nothing"


def test_how_many_evaluations_a_final_value_is_the_mean_of_is_said():
    def said(rounds_of_a, rounds_of_fp32, **how):
        tables = store_of({"a": NOISE})
        kept = {"a": rounds_of_a, "fp32": rounds_of_fp32}
        rows = [
            r <= kept[c]
            for c, r in zip(*(tables.results[x] for x in ("codec", "round")), strict=True)
        ]
        tables = type(tables)(tables.results[rows], tables.ledger, tables.partitions, tables.runs)
        return explain_verdicts(measure_verdicts(tables, **how))[0].split(", against")[0]

    assert said(6, 6) == said(3, 3) == "accuracy, the mean of the last 3 evaluations"
    assert said(6, 6, final="last") == said(1, 1, final="last") == "accuracy, the last evaluation"
    assert said(1, 1) == "accuracy, the only evaluation"
    assert said(2, 2) == "accuracy, the mean of the 2 evaluations that there are"
    assert said(1, 4) == "accuracy, the mean of 1 to 3 evaluations, as some runs have no 3"


def test_seeds_that_differ_between_methods_are_said():
    tables = changed(store_of({"a": NOISE}), drop=["a-2"])
    frame = measure_verdicts(tables)
    assert (frame["n"].iloc[0], frame["missing"].iloc[0], frame["word"].iloc[0]) == (
        5,
        "2",
        "equal",
    )
    assert "a (iid, NMI 0.00): no pair at seed 2." in explain_verdicts(frame)


def test_a_failed_or_diverged_run_is_no_missing_value():
    good = store_of({"a": NOISE + 0.004, "b": NOISE})
    failed = rows(changed(good, drop=["a-2"], status={"a-2": "failed"}))
    assert failed.loc["a", "verdict"] == "not shown: seed 2 failed"
    assert failed.loc["b", "word"] == "equal"
    for value in (np.nan, np.inf):
        diverged = rows(changed(good, values={"a-3": value}))
        assert diverged.loc["a", "verdict"] == "not shown: seed 3 failed"
        assert diverged.loc["a", "n"] == 5


def test_a_run_that_never_had_the_metric_failed():
    tables = changed(store_of({"a": NOISE + 0.004}))
    results = tables.results.copy()
    results.loc[results["run"] == "a-1", "accuracy"] = np.nan
    found = rows(type(tables)(results, tables.ledger, tables.partitions, tables.runs))
    assert found.loc["a", "verdict"] == "not shown: seed 1 failed"


def test_an_unfinished_run_is_left_out_and_said():
    tables = changed(store_of({"a": NOISE}), status={"a-2": "interrupted"})
    frame = measure_verdicts(tables)
    assert (frame["n"].iloc[0], frame["missing"].iloc[0], frame["failed"].iloc[0]) == (5, "2", "")
    every = dict.fromkeys(tables.runs["run"], "interrupted")
    with pytest.raises(ValueError, match="no run of the store is finished"):
        measure_verdicts(changed(store_of({"a": NOISE}), status=every))


def test_families_of_a_setting_or_of_the_store():
    quiet = NOISE * 5
    tables = both(store_of({"a": quiet, "b": NOISE * 20}), store_of({"a": quiet, "b": quiet}))
    narrow = measure_verdicts(tables, margin=0.004)
    wide = measure_verdicts(tables, margin=0.004, family="store")
    assert (wide["p_non_inferior"] >= narrow["p_non_inferior"]).all()
    assert (wide["p_non_inferior"] > narrow["p_non_inferior"]).any()
    with pytest.raises(ValueError, match="family must be setting or store, got 'page'"):
        measure_verdicts(tables, family="page")


def test_bytes_to_the_target_stand_beside():
    missed = {"a": NOISE, "never": NOISE - 0.2}
    found = rows(store_of(missed, wobble=0.0), target=0.85)
    assert found.loc["a", "to_target"] == "6 of 6 reached"
    assert found.loc["a", "ratio"] == pytest.approx(10, rel=0.02)
    assert found.loc["never", "to_target"] == "0 of 6 reached with 600 B"
    assert found.loc["never", "times_fewer"].startswith("below ")
    assert found.loc["never", "ratio_bound"] == "below"
    assert isnan(found.loc["never", "ratio_low"])


def test_scores_of_texts_give_bounds_over_texts():
    tables = store_of({"a": NOISE})
    random = np.random.default_rng(0)
    scores = {run: random.random(200) < 0.9 for run in tables.runs["run"]}
    frame = measure_verdicts(tables, scores=scores)
    assert frame["text_low"].iloc[0] < 0 < frame["text_high"].iloc[0]
    assert "Over texts" in verdict_text(frame)
    old = measure_verdicts(tables, scores={"a-0": scores["a-0"]})
    assert isnan(old["text_low"].iloc[0])
    assert "Over texts" not in verdict_text(old)
    with pytest.raises(ValueError, match="unlike numbers of texts: 199, 200"):
        measure_verdicts(tables, scores=scores | {"a-1": scores["a-1"][1:]})


def test_bounds_over_texts_are_turned_as_the_difference_where_less_is_better():
    tables = store_of({"a": NOISE + 0.1}, metric="loss")
    random = np.random.default_rng(0)
    scores = {  # minus the loss of each text: codec a is worse on all
        run: random.normal(-1 - 0.1 * run.startswith("a"), 0.01, 200) for run in tables.runs["run"]
    }
    (row,) = measure_verdicts(tables, metric="loss", scores=scores).to_dict("records")
    assert 0 < row["low"] < row["high"]
    assert 0.05 < row["text_low"] < row["text_high"] < 0.15


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"margin": 0.0}, "must be above 0"),
        ({"margin": float("nan")}, "must be above 0"),
        ({"margin": 0.5}, "50 points of accuracy"),
        ({"baseline": "nf4"}, "no run is called 'nf4'"),
        ({"metric": "bleu"}, "'bleu'"),
        ({"final": "last0"}, "got 'last0'"),
    ],
)
def test_questions_that_cannot_be_answered(how, words):
    with pytest.raises(ValueError, match=words):
        measure_verdicts(store_of({"a": NOISE}), **how)


def test_nothing_to_compare_with():
    lonely = store_of({})
    with pytest.raises(ValueError, match="only 'fp32' has the metric accuracy"):
        measure_verdicts(lonely)
    renamed = store_of({"a": NOISE}).results.replace({"fp32": "bf16", "fp32-0": "bf16-0"})
    tables = replace(store_of({"a": NOISE}), results=renamed)
    with pytest.raises(ValueError, match=r"--baseline \(known: a; bf16\)"):
        measure_verdicts(tables)


def test_a_metric_of_unknown_worth():
    tables = store_of({"a": NOISE})
    with pytest.raises(ValueError, match="no usual margin for 'seconds'"):
        measure_verdicts(tables, metric="seconds")
    frame = measure_verdicts(tables, metric="seconds", margin=1.0)
    assert "More seconds is taken to be better." in explain_verdicts(frame)


def test_the_loss_of_a_task_that_has_accuracy():
    frame = measure_verdicts(read_store_or_rows(CODECS), metric="loss")
    assert (frame["margin"] == 0.01).all()
    assert len(frame) == 24


def test_what_the_codecs_page_says_of_its_rows():
    """Three of 24 cells are no worse than fp32 after Holm, all at α = 1, and eight are worse."""
    frame = measure_verdicts(read_store_or_rows(CODECS))
    assert len(frame) == 24
    assert (frame["n"] == 10).all()
    found = [
        (row["setting"].split(",")[1].strip(), row["codec"].split()[0], row["word"])
        for row in frame.to_dict("records")
    ]
    assert {one for one in found if one[2] in ("equal", "non-inferior")} == {
        ("α = 1", "nf4", "equal"), ("α = 1", "eden", "equal"), ("α = 1", "sign", "non-inferior"),
    }  # fmt: skip
    assert sorted(one[:2] for one in found if one[2] == "worse") == [
        ("α = 0.1", "chunked_topk"), ("α = 0.1", "lora_klt"), ("α = 0.1", "lora_klt"),
        ("α = 0.1", "stc"),
        ("α = 1", "chunked_topk"), ("α = 1", "lora_klt"), ("α = 1", "stc"), ("α = 1", "topk"),
    ]  # fmt: skip
