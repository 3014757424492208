"""Figures of membership and of canaries: what was measured, chance beside it, the bound over it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from text_boxes import text_faults

from fedbytes.plots import FigureOptions, NothingToDrawError, make_figure, sample_tables
from fedbytes.plots.drawing.points.membership_points import exposure_repeats, membership_looks
from fedbytes.plots.drawing.promised_methods import promises_as_methods
from fedbytes.privacy import most_hits

RATES = (0.001, 0.01, 0.1, 0.5)


def audited(**more):
    tables = sample_tables(alphas=(1.0,), rounds=3)
    results = tables.results.copy()
    last = results["round"] == 3
    for column, lift in (("calibrated_model", 1.5), ("update_cosine_message", 4.0)):
        results[f"auc_{column}"] = np.where(last, 0.5 + lift / 20, np.nan)
        for rate in RATES:
            results[f"tpr_{column}_{rate:g}"] = np.where(last, min(1.0, lift * rate), np.nan)
    for times, bits in ((0, 1.4), (1, 2.0), (4, 6.0), (16, 11.0)):
        results[f"exposure_{times}"] = np.where(last, bits, np.nan)
    return replace(tables, results=results.assign(**more))


def test_a_panel_for_each_look_and_a_line_for_each_codec():
    figure = make_figure("membership").draw(audited())
    assert [axis.get_title() for axis in figure.axes] == [
        "calibrated, of the model", "update cosine, of messages",
    ]  # fmt: skip
    for axis, lift in zip(figure.axes, (1.5, 4.0), strict=True):
        (line,) = [one for one in axis.lines if one.get_label() == "fp32"]
        np.testing.assert_allclose(line.get_xdata(), RATES)
        np.testing.assert_allclose(line.get_ydata(), np.minimum(1, lift * np.array(RATES)))
        assert axis.get_xscale() == axis.get_yscale() == "log"
    assert text_faults(figure) == []


@pytest.mark.parametrize(("where", "bounded"), [("central", 0), ("local", 4)])
def test_the_bound_is_drawn_over_messages_where_clients_add_the_noise(where, bounded):
    """A central mechanism says nothing of messages."""
    tables = audited(epsilon=1.0)
    promise = {"privacy": [{"name": "dp", "where": where, "delta": 1e-3}]}
    runs = tables.runs.assign(config=tables.runs["config"].map(lambda config: config | promise))
    figure = make_figure("membership").draw(replace(tables, runs=runs))
    model, messages = ([line for line in axis.lines if line.get_linestyle() == ":"
                        or _dotted(line)] for axis in figure.axes)  # fmt: skip
    assert len(messages) == bounded
    assert len(model) == 4, "one a codec"
    x = model[0].get_xdata()
    # With a text or without it a client is replaced by another: twice an epsilon of add/remove.
    allowed = (1.0, 1e-3) if where == "local" else (2.0, (1 + np.exp(1.0)) * 1e-3)
    np.testing.assert_allclose(model[0].get_ydata(), most_hits(x, *allowed))


LABEL = "dp {} clip=1 ε=8 δ=0.01 per client, {}, PLD"
KINDS = {
    "none": np.nan,
    LABEL.format("central", "add/remove"): 8.0,
    LABEL.format("local", "replace-one"): 8.0,
}


@pytest.mark.parametrize("name", ["membership", "exposure"])
def test_promises_of_a_codec_are_methods_of_the_panel_without_them(name):
    tables = audited()
    parts = [
        tables.results.assign(run=f"{number} " + tables.results["run"], privacy=label, epsilon=eps)
        for number, (label, eps) in enumerate(KINDS.items())
    ]
    runs = [
        tables.runs.assign(
            run=f"{number} " + tables.runs["run"],
            config=tables.runs["config"].map(lambda one, asked=label: one | {"privacy": [asked]}),
        )
        for number, label in enumerate(KINDS)
    ]
    store = replace(tables, results=pd.concat(parts), runs=pd.concat(runs))
    figure = make_figure(name).draw(store, FigureOptions(highlight=()))
    assert len(figure.axes) == len(make_figure(name).draw(tables).axes)
    shown = promises_as_methods(store).results
    assert len(shown) == len(store.results)
    methods = set(shown.loc[shown["codec"].str.startswith("nf4"), "codec"])
    assert len(methods) == len(KINDS)
    assert "nf4" in methods


def test_masks_without_a_promise_stay_a_setting():
    tables = audited()
    masked = tables.results["seed"] == 0
    private = tables.results["codec"] == "nf4"
    label = LABEL.format("central", "add/remove")
    privacy = np.select([private, masked], [label, "secagg"], "none")
    results = tables.results.assign(privacy=privacy, epsilon=np.where(private, 8.0, np.nan))
    shown = promises_as_methods(replace(tables, results=results)).results
    assert set(shown["privacy"]) == {"none", "secagg"}
    assert set(shown.loc[private.to_numpy(), "privacy"]) == {"none"}


def _dotted(line):
    dashes = getattr(line, "_unscaled_dash_pattern", (0, None))[1]
    return dashes is not None and list(dashes) == [1, 2]


def test_exposure_has_a_line_a_codec_over_the_repeats():
    figure = make_figure("exposure").draw(audited())
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "1", "4", "16"]
    (line,) = [one for one in axis.lines if one.get_label() == "fp32"]
    np.testing.assert_allclose(line.get_ydata(), [1.4, 2.0, 6.0, 11.0])
    said = {text.get_text() for text in figure.findobj(Text)}
    assert "Exposure (bits)" in said
    assert text_faults(figure) == []


def test_columns_are_found_by_what_was_measured():
    rows = audited().results
    looks = membership_looks(rows.assign(**{"tpr_calibrated_model_0.001": np.nan}))
    assert [(look.column, look.rates) for look in looks] == [
        ("calibrated_model", RATES[1:]), ("update_cosine_message", RATES),
    ]  # fmt: skip
    assert exposure_repeats(rows) == [0, 1, 4, 16]


@pytest.mark.parametrize(
    ("name", "remedy"), [("membership", r"set_aside=0\.5"), ("exposure", r"attack\.name=canaries")]
)
def test_a_store_without_audits_says_how_to_have_some(name, remedy):
    with pytest.raises(NothingToDrawError, match=remedy):
        make_figure(name).draw(sample_tables(seeds=(0,), rounds=2))
