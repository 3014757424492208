"""The figure of robust accuracy: clean accuracy and each attack, beside the bytes."""

from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from fedbytes.plots import NothingToDrawError, compare_codecs, make_figure, sample_tables
from fedbytes.plots.tables.comparison import attacked_metrics, metric_named


def attacked():
    tables = sample_tables(alphas=(1.0,), rounds=4)
    results = tables.results.assign(
        robust_accuracy_hotflip=tables.results["accuracy"] * 0.5,
        robust_accuracy_word_drop=tables.results["accuracy"] * 0.8,
    )
    results.loc[results["round"] % 2 == 1, "robust_accuracy_word_drop"] = np.nan
    return replace(tables, results=results)


def test_a_panel_for_clean_texts_and_one_for_each_attack():
    tables = attacked()
    figure = make_figure("robust_accuracy").draw(tables)
    figure.draw_without_rendering()
    said = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert {axis.get_title() for axis in figure.axes} == {
        "Test accuracy", "Accuracy under hotflip", "Accuracy under word drop",
    }  # fmt: skip
    assert "Test texts whose class is found (%)" in said
    for axis, name, rounds in zip(
        figure.axes,
        ("accuracy", "robust_accuracy_hotflip", "robust_accuracy_word_drop"),
        (4, 4, 2),
        strict=True,
    ):
        comparison = compare_codecs(tables, name)
        curve = comparison.curve(comparison.settings[0], "fp32")
        (line,) = [made for made in axis.lines if made.get_label() == "fp32"]
        assert len(line.get_xdata()) == rounds
        np.testing.assert_allclose(line.get_xdata(), curve["bytes"])
        np.testing.assert_allclose(line.get_ydata(), 100 * curve["mean"])


def test_a_store_without_attacks_says_how_to_have_some():
    with pytest.raises(NothingToDrawError, match=r"audit\.name=text_attacks"):
        make_figure("robust_accuracy").draw(sample_tables(seeds=(0,), rounds=2))


def test_columns_of_attacks_are_metrics_in_percent():
    assert [metric.name for metric in attacked_metrics(attacked())] == [
        "robust_accuracy_hotflip", "robust_accuracy_word_drop",
    ]  # fmt: skip
    metric = metric_named("robust_accuracy_word_drop")
    assert (metric.label, metric.scale, metric.rises) == ("Accuracy under word drop (%)", 100, True)
    assert metric_named("exact_match").label == "Exact answers (%)"
    assert metric_named("odd_column").label == "odd column"


def test_clean_accuracy_is_of_all_rounds_where_the_last_alone_was_attacked():
    tables = attacked()
    results = tables.results.drop(columns="robust_accuracy_word_drop")
    results.loc[results["round"] < 4, "robust_accuracy_hotflip"] = np.nan
    figure = make_figure("robust_accuracy").draw(replace(tables, results=results))
    points = {
        axis.get_title(): [
            len(made.get_xdata()) for made in axis.lines if made.get_label() == "fp32"
        ]
        for axis in figure.axes
    }
    assert points == {"Test accuracy": [4], "Accuracy under hotflip": [1]}
