"""The summary table, as numbers and as text."""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import by_hand, without

from fedbytes import plots
from fedbytes.plots import sample_tables
from fedbytes.plots.output.latex import to_latex
from fedbytes.plots.output.summary import summary, summary_text, to_csv, to_markdown
from fedbytes.registry import Registry


def test_public_names_are_functions_and_classes_even_after_their_modules_are_imported():
    assert plots.__all__ == sorted(plots.__all__, key=lambda name: (name[0].islower(), name))
    values = [getattr(plots, name) for name in plots.__all__]
    assert all(callable(value) or isinstance(value, Registry) for value in values)
    with pytest.raises(AttributeError, match="nothing"):
        plots.nothing  # noqa: B018


def ends(tables, codec):
    """Return the mean of the last three evaluations of each seed at alpha 0.1."""
    rows = tables.results[(tables.results["codec"] == codec) & (tables.results["alpha"] == 0.1)]
    last = rows.sort_values("round").groupby("seed").tail(3)
    return last.groupby("seed")["accuracy"].mean().to_numpy()


def test_numbers(tables):
    frame = summary(tables)
    assert len(frame) == 8
    row = frame[(frame["codec"] == "nf4") & (frame["setting"].str.contains("0.1"))].iloc[0]
    last = tables.results.query("codec == 'nf4' and alpha == 0.1 and round == 12")
    own, base = ends(tables, "nf4"), ends(tables, "fp32")
    assert row["value"] == pytest.approx(own.mean())
    interval = stats.ttest_1samp(own, 0).confidence_interval(0.95)
    assert row["value_half"] == pytest.approx((interval.high - interval.low) / 2)
    assert row["difference"] == pytest.approx((own - base).mean())
    assert [float(value) for value in row["values"].split()] == pytest.approx(own, abs=1e-6)
    assert row["total_bytes"] == pytest.approx(last["total_bytes"].mean())
    assert row["seconds"] == pytest.approx(41.2)  # set-up is left out
    assert row["overhead"] == pytest.approx(1.2 / 41.2)
    assert (row["seeds"], row["reached"]) == (3, 3)


def test_what_training_gained_is_paired_by_seed(tables):
    first = tables.results[tables.results["round"] == 1]
    starts = 0.2 + 0.01 * first["seed"]
    zero = first.assign(round=0, up_bytes=0, down_bytes=0, total_bytes=0, accuracy=starts)
    frame = summary(replace(tables, results=pd.concat([zero, tables.results])))
    gained = ends(tables, "nf4") - np.array([0.2, 0.21, 0.22])
    interval = stats.ttest_1samp(gained, 0).confidence_interval(0.95)
    row = frame[(frame["codec"] == "nf4") & (frame["setting"].str.contains("0.1"))].iloc[0]
    assert row["start"] == pytest.approx(0.21)
    assert row["gain"] == pytest.approx(gained.mean())
    assert row["gain_half"] == pytest.approx((interval.high - interval.low) / 2)
    shown = summary_text(frame)
    assert shown["From"].iloc[1] == "21.0"
    assert shown["Gain"].iloc[1].startswith("+")
    same = ["value", "difference", "bytes_to_target", "ratio"]
    pd.testing.assert_frame_equal(frame[same], summary(tables)[same])
    assert "From" not in summary_text(summary(tables))


def test_text(tables):
    shown = summary_text(summary(tables))
    assert "Final test accuracy (%)" in shown
    row = shown.iloc[1]
    assert row["Codec"] == "nf4"
    assert re.fullmatch(r"[\d.]+ \([\d.]+, [\d.]+, [\d.]+\)", row["Final test accuracy (%)"])
    assert re.fullmatch(r"−0\.\d \(.*, .*, .*\)", row["To baseline"])
    assert row["Total"] == "3.96 MB"
    assert row["Overhead"] == "2.9 %"
    assert shown.iloc[3]["To target"] == "not reached"
    assert shown.iloc[0]["Ratio"] == "1"


def test_five_seeds_have_an_interval_and_fewer_are_shown():
    shown = [summary_text(summary(sample_tables((0.1,), seeds=range(n)))).iloc[1] for n in (4, 5)]
    assert shown[0]["To baseline"].count(",") == 3
    assert "±" in shown[1]["To baseline"]
    assert shown[1]["Final test accuracy (%)"].endswith("(n = 5)")
    assert re.fullmatch(r"[\d.]+ × \([\d.]+ to [\d.]+\)", shown[1]["Ratio"])


def test_one_seed_says_so_and_has_no_interval():
    shown = summary_text(summary(sample_tables(seeds=(0,), rounds=3)))
    assert shown["Final test accuracy (%)"].str.fullmatch(r"[\d.]+ \(n = 1\)").all()


def test_without_baseline_its_columns_go():
    shown = summary_text(summary(sample_tables(codecs=["nf4"], rounds=3)))
    assert "Ratio" not in shown
    assert "To baseline" not in shown


def test_without_seconds_their_columns_go():
    shown = summary_text(summary(by_hand({("fp32", 0): [(100, 0.9)]})))
    assert "Seconds" not in shown
    assert "Overhead" not in shown


def test_a_failed_run_is_not_averaged(tables):
    frame = summary(without(tables, ["reuters-r8-0.1-nf4-1"]))
    assert frame.set_index(["codec", "heterogeneity"]).sort_index()["seeds"].min() == 2


def test_perplexity():
    frame = summary(sample_tables(language_model=True, rounds=3, seeds=(0, 1)))
    assert set(frame["metric"]) == {"perplexity"}
    assert summary_text(frame)["Target"].str.startswith("≤").all()


def test_csv_is_lossless(tables):
    frame = summary(tables)
    again = pd.read_csv(io.StringIO(to_csv(frame)), na_values=[""], keep_default_na=False)
    texts = ["values", "differences", "gains", "times_fewer"]
    pd.testing.assert_frame_equal(again.drop(columns=texts), frame.drop(columns=texts))
    known = again[texts].astype(object).where(again[texts].notna(), "")
    assert known.to_numpy().tolist() == frame[texts].to_numpy().tolist()


def test_markdown_has_equal_columns(tables):
    rows = to_markdown(summary(tables)).splitlines()
    assert len(rows) == 2 + 8
    assert len({row.count(" | ") for row in rows}) == 1


def test_latex_escapes_and_rules():
    made = by_hand({("fp32", 0): [(100, 0.9)], ("a_b & 50 % #1 {x}", 0): [(10, 0.8)]})
    text = to_latex(summary(made))
    assert r"a\_b \& 50 \% \#1 \{x\}" in text
    for word in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"):
        assert word in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in body}) == 1
    assert text.isascii()


def test_given_target_is_used(tables):
    frame = summary(tables, target=0.5)
    assert np.allclose(frame["target"], 0.5)
    assert (frame["reached"] == 3).all()


def test_what_several_processes_did_at_once_counts_once(tables):
    runs = tables.runs.assign(seconds_overlap=-20.0)
    row = summary(replace(tables, runs=runs)).iloc[0]
    assert row["seconds"] == pytest.approx(21.2)
    assert row["overhead"] == pytest.approx(1.2 / 21.2)
