"""The figure of clients from worst to best, and methods that send nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fedbytes.plots import make_figure, sample_tables
from fedbytes.plots.link_time.link import make_links
from fedbytes.plots.link_time.round_time import seconds_over_link
from fedbytes.plots.store_figure import FigureOptions
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.tables.target_bytes import measure_target_bytes


def silent(tables: Tables, codec: str) -> Tables:
    """Return the tables of a store in which a method sends nothing."""
    results = tables.results.copy()
    results.loc[results["codec"] == codec, ["up_bytes", "down_bytes", "total_bytes"]] = 0
    return Tables(results, tables.ledger, tables.partitions, tables.runs)


def test_clients_stand_from_the_worst_to_the_best() -> None:
    tables = sample_tables(alphas=(0.1,), seeds=(0, 1), codecs=("fp32", "nf4"), clients=5)
    figure = make_figure("fairness").draw(tables)
    lines = {str(line.get_label()).split(",")[0]: line for line in figure.axes[0].lines}
    assert set(lines) == {"fp32", "nf4"}
    clients = tables.clients.merge(tables.results[["run", "codec"]].drop_duplicates())
    for codec, line in lines.items():
        runs = clients[clients["codec"] == codec].groupby("run")["accuracy"]
        worst, best = runs.min().mean(), runs.max().mean()
        drawn = np.asarray(line.get_ydata(), dtype=float)
        assert drawn[[0, -1]] == pytest.approx([100 * worst, 100 * best])
        assert np.all(np.diff(drawn) >= -1e-9)


def test_of_perplexity_the_worst_is_the_highest() -> None:
    tables = sample_tables(alphas=(1.0,), seeds=(0,), codecs=("fp32",), language_model=True)
    drawn = np.asarray(make_figure("fairness").draw(tables).axes[0].lines[0].get_ydata())
    assert drawn[0] == pytest.approx(tables.clients["perplexity"].max())
    assert drawn[-1] == pytest.approx(tables.clients["perplexity"].min())


def test_without_clients_of_their_own_there_is_nothing_to_draw() -> None:
    made = sample_tables(alphas=(0.1,), seeds=(0,))
    bare = Tables(made.results, made.ledger, made.partitions, made.runs)
    with pytest.raises(NothingToDrawError, match="evaluate_clients=true"):
        make_figure("fairness").draw(bare)


def test_its_rows_are_the_clients_of_the_last_round() -> None:
    tables = sample_tables(alphas=(0.1,), seeds=(0, 1), codecs=("fp32",), clients=4)
    rows = make_figure("fairness").rows(tables, FigureOptions())
    assert rows is not None
    assert len(rows) == 2 * 4
    pd.testing.assert_series_equal(
        rows["accuracy"].sort_values(ignore_index=True),
        tables.clients["accuracy"].sort_values(ignore_index=True),
    )


def test_who_sends_nothing_is_a_level_line_where_it_ends() -> None:
    made = sample_tables(alphas=(0.1,), seeds=(0, 1), codecs=("fp32", "nf4"))
    tables = silent(made, "nf4")
    figure = make_figure("bytes").draw(tables)
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "nf4"]
    rows = tables.results[tables.results["codec"] == "nf4"].sort_values("round")
    ends = rows.groupby("run").tail(3).groupby("run")["accuracy"].mean()
    assert list(line.get_ydata()) == pytest.approx([100 * ends.mean()] * 2)
    assert list(line.get_xdata()) == [0, 1]  # of the axes: all across
    assert "nothing is sent" in " ".join(figure.get_supxlabel().split())


def test_who_sends_nothing_reaches_the_target_for_no_bytes() -> None:
    tables = silent(sample_tables(alphas=(0.1,), seeds=(0, 1), codecs=("fp32", "nf4")), "nf4")
    comparison = compare_codecs(tables)
    found = {
        goal: {t.codec: t for t in measure_target_bytes(comparison, comparison.settings[0], goal)}
        for goal in (0.5, 0.999)
    }
    assert (found[0.5]["nf4"].bytes.mean, found[0.5]["nf4"].reached) == (0.0, 2)
    assert found[0.999]["nf4"].reached == 0
    assert found[0.5]["nf4"].ratio.n == 0  # a ratio to nothing
    for name in ("bytes", "pareto", "target", "spending", "rounds"):
        make_figure(name).draw(tables)


def test_over_a_link_who_sends_no_updates_is_left_out() -> None:
    tables = silent(sample_tables(alphas=(0.1,), seeds=(0,), codecs=("fp32", "nf4")), "nf4")
    ledger = [
        entry | {"run": run, "round": number, "client": client}
        for run, rows in tables.results.groupby("run")
        for number in rows["round"]
        for client in range(2)
        for entry in ({"direction": "up", "kind": "delta", "message_bytes": 1000.0},)
    ]
    sent = pd.DataFrame(ledger).assign(encode_seconds=0.1, decode_seconds=0.1, payload_bytes=960)
    (link,) = make_links("4g")
    timed = seconds_over_link(replace(tables, ledger=sent), link)
    assert set(timed["codec"]) == {"fp32"}
    texts = sent.assign(kind="texts")
    with pytest.raises(NothingToDrawError, match="no run sends updates"):
        seconds_over_link(replace(tables, ledger=texts), link)
