"""The figures of what messages give away: against their bits, and against accuracy."""

import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from fedbytes.plots import NothingToDrawError, make_figure, sample_tables

BITS = {"fp32": 32.0, "nf4": 4.5, "topk": 0.14, "ecsq": 1.1}
FOUND = {"fp32": 1.0, "nf4": 0.9, "topk": 0.3, "ecsq": 0.6}


def audited(seeds=(0, 1, 2), alphas=(1.0,)):
    tables = sample_tables(alphas=alphas, seeds=seeds, rounds=4)
    results = tables.results.copy()
    names = results["codec"].str.split(" ").str[0]
    last = results["round"] == 4
    results["payload_bits"] = names.map(BITS).where(last)
    results["leak_recall_span"] = (names.map(FOUND) - 0.01 * results["seed"]).where(last)
    results["chance_recall_span"] = np.where(last, 0.08, np.nan)
    return replace(tables, results=results)


def test_a_line_for_each_family_by_its_bits_and_chance_dashed():
    figure = make_figure("leakage").draw(audited())
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    for family, bits in BITS.items():
        np.testing.assert_allclose(lines[family].get_xdata(), [bits])
        np.testing.assert_allclose(lines[family].get_ydata(), [100 * (FOUND[family] - 0.01)])
    chance = axis.lines[-1]
    np.testing.assert_allclose(chance.get_xdata(), sorted(BITS.values()))
    np.testing.assert_allclose(chance.get_ydata(), 8)
    said = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert {"chance", "Payload bits of a coordinate", "Tokens found (%)"} <= said
    assert any("mean over 3 seeds" in text for text in said)


def test_marks_grow_with_bytes_and_stand_at_what_is_found():
    tables = audited(seeds=(0,))
    figure = make_figure("leakage_price").draw(tables)
    (axis,) = figure.axes
    marks = {re.split("[ ,]", str(line.get_label()))[0]: line for line in axis.lines[:-1]}
    ends = tables.results[tables.results["round"] == 4].set_index("codec")
    ends["accuracy"] = (
        tables.results.sort_values("round")
        .groupby("codec")
        .tail(3)
        .groupby("codec")["accuracy"]
        .mean()
    )
    ends.index = ends.index.str.split(" ").str[0]
    for family, line in marks.items():
        np.testing.assert_allclose(line.get_xdata(), [100 * FOUND[family]])
        np.testing.assert_allclose(line.get_ydata(), [100 * ends["accuracy"][family]])
    order = sorted(BITS, key=lambda family: ends["total_bytes"][family])
    sizes = [marks[family].get_markersize() for family in order]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    np.testing.assert_allclose(axis.lines[-1].get_xdata(), 8)


@pytest.mark.parametrize("name", ["leakage", "leakage_price"])
def test_a_store_without_audits_says_how_to_have_one(name):
    with pytest.raises(NothingToDrawError, match="audit=span"):
        make_figure(name).draw(sample_tables(seeds=(0,), rounds=2))
