"""Figures show what they should, in words, lines and places."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from synthetic import by_hand, without

from fedbytes.plots import (
    FigureOptions,
    NothingToDrawError,
    Tables,
    assign_line_styles,
    compare_codecs,
    draw_all,
    drawings,
    figure_names,
    format_bytes,
    format_bytes_axis,
    make_figure,
    sample_tables,
    save_figure,
)
from fedbytes.plots.figures.bytes_by_kind import sum_bytes_by_part
from fedbytes.plots.figures.pareto import pareto_front
from fedbytes.plots.style import WIDTH


def words(figure: Figure) -> str:
    """Return all text of a figure."""
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def line(axis, label: str):
    """Return the one line of a label."""
    (found,) = [line for line in axis.lines if line.get_label() == label]
    return found


def test_metric_against_bytes(tables):
    figure = make_figure("bytes").draw(tables)
    assert len(figure.axes) == 2
    for axis in figure.axes:
        assert axis.get_xscale() == "log"
        assert {made.get_label() for made in axis.lines} >= set(compare_codecs(tables).codecs)
        assert len(axis.collections) == 4  # bands
    said = words(figure)
    for part in (
        "Test accuracy (%)",
        "Bytes sent, both ways, all clients",
        "1 MB",
        "α = 0.1",
        "topk 1 % 4 bit + EF",
        "mean over 3 seeds",
        "95 % t interval",
    ):
        assert part in said
    fp32 = line(figure.axes[0], "fp32")
    rows = tables.results.query("codec == 'fp32' and alpha == 0.1")
    mean = rows.groupby("round")[["total_bytes", "accuracy"]].mean()
    assert np.allclose(fp32.get_xdata(), mean["total_bytes"])
    assert np.allclose(fp32.get_ydata(), 100 * mean["accuracy"])


@pytest.mark.parametrize(("metric", "lowest"), [("accuracy", 20.0), ("perplexity", 40.0)])
def test_the_start_that_is_drawn_is_the_lowest_of_all_methods(metric, lowest):
    starts = {"accuracy": (0.2, 0.3), "perplexity": (30.0, 40.0)}[metric]
    runs = {
        (codec, seed): [(0, start), (100, 1.0), (200, 0.9)]
        for codec, start in zip(("fp32", "small"), starts, strict=True)
        for seed in (0, 1)
    }
    made = by_hand(runs, metric)
    made.results["round"] -= 1
    figure = make_figure("bytes").draw(made)
    (dotted,) = [drawn for drawn in figure.axes[0].lines if drawn.get_linestyle() == ":"]
    assert list(dotted.get_ydata()) == pytest.approx([lowest, lowest])


def test_metric_against_rounds(tables):
    figure = make_figure("rounds").draw(tables)
    fp32 = line(figure.axes[0], "fp32")
    assert list(fp32.get_xdata()) == list(range(1, 13))
    assert "Round" in words(figure)


@pytest.mark.parametrize(
    ("costs", "values", "rises", "expected"),
    [
        ([3, 1, 2], [0.9, 0.5, 0.4], True, [1, 0]),
        ([1, 2, 3], [0.5, 0.5, 0.6], True, [0, 2]),  # equal value for more bytes is dominated
        ([1, 1], [0.5, 0.6], True, [1]),
        ([1, 2, 3], [9.0, 8.0, 8.5], False, [0, 1]),
        ([1, 2], [float("nan"), 0.5], True, [1]),
    ],
)
def test_front(costs, values, rises, expected):
    assert pareto_front(costs, values, rises) == expected


def test_front_is_what_nothing_beats():
    rng = np.random.default_rng(0)
    costs, values = rng.random(40), rng.random(40)
    kept = pareto_front(costs, values)
    for i in range(40):
        beaten = np.any(
            (costs <= costs[i])
            & (values >= values[i])
            & ((costs < costs[i]) | (values > values[i]))
        )
        assert (i in kept) == (not beaten)


def test_pareto_marks_the_front():
    figure = make_figure("pareto").draw(
        by_hand(
            {
                ("fp32", 0): [(1000, 0.9)],
                ("good", 0): [(100, 0.9)],
                ("bad", 0): [(200, 0.5)],
            }
        )
    )
    (axis,) = figure.axes
    filled = {
        box.get_label(): box.lines[0].get_markerfacecolor() == box.lines[0].get_color()
        for box in axis.containers
    }
    assert filled == {"fp32": False, "good": True, "bad": False}
    assert list(line(axis, "Pareto front").get_xdata()) == [100]


def test_bytes_to_target_says_ratio_and_what_is_not_reached():
    figure = make_figure("target").draw(
        by_hand(
            {
                ("fp32", 0): [(1000, 0.5), (2000, 0.95)],
                ("good", 0): [(100, 0.92), (200, 0.95)],
                ("bad", 0): [(10, 0.2), (20, 0.3)],
            }
        ),
        FigureOptions(target=0.9),
    )
    said = words(figure)
    assert "target: accuracy ≥ 90.0 % (given)" in said
    assert "100 B,  ratio 20" in said
    assert "not reached with 20 B" in said
    bars_of = {made.get_label(): made.patches[0] for made in figure.axes[0].containers}
    ends = {codec: bar.get_x() + bar.get_width() for codec, bar in bars_of.items()}
    assert ends == pytest.approx({"fp32": 2000.0, "good": 100.0, "bad": 20.0})


def test_some_seeds_reach_the_target(tables):
    assert "1 of 3 seeds" in words(make_figure("target").draw(tables, FigureOptions(target=0.948)))


def test_differences(tables):
    said = words(make_figure("differences").draw(tables))
    assert "Final accuracy minus fp32's (points)" in said
    assert "n = 3" in said
    assert "target not reached" in said


def test_spending_adds_up(tables):
    parts = sum_bytes_by_part(tables.ledger)
    assert np.allclose(
        parts.sum(axis=1), tables.ledger.groupby("run")["message_bytes"].sum()[parts.index]
    )
    one = tables.ledger[tables.ledger["run"] == parts.index[0]].set_index("kind")
    assert parts["up: updates"].iloc[0] == one.loc["delta", "payload_bytes"]
    assert parts["down: catch-up"].iloc[0] == one.loc["catch-up", "payload_bytes"]
    framing = (one["message_bytes"] - one["payload_bytes"]).sum()
    assert parts["framing"].iloc[0] == framing
    figure = make_figure("spending").draw(tables)
    for axis in figure.axes:
        assert sum(bar.get_width() for bar in axis.patches) == pytest.approx(4.0)


def test_few_clients_are_bubbles(tables):
    figure = make_figure("partition").draw(tables)
    held = tables.partitions
    for axis, alpha in zip(figure.axes, (0.1, 1.0), strict=True):
        (bubbles,) = axis.collections
        run = held[held["run"] == f"reuters-r8-{alpha}-fp32-0"]
        assert len(bubbles.get_offsets()) == (run["examples"] > 0).sum()
    assert "Partition of seed 0" in words(figure)
    assert "Partition of seed 2" in words(make_figure("partition", seed=2).draw(tables))


def test_many_clients_are_stacked_bars():
    many = sample_tables(clients=100, seeds=(0,), codecs=["fp32"], rounds=1)
    figure = make_figure("partition").draw(many)
    assert "Clients, the largest first" in words(figure)
    tops = figure.axes[0].patches[-1].get_data().values
    sizes = many.partitions[many.partitions["run"].str.contains("-0.1-")]
    expected = np.sort(sizes.groupby("client")["examples"].sum())[::-1]
    assert np.array_equal(tops, expected)


def test_clients_that_hold_nothing_are_shown(tables):
    held = tables.partitions[tables.partitions["client"] < 7]
    runs = tables.runs.assign(
        config=[{**c, "partition": {"num_clients": 12}} for c in tables.runs["config"]]
    )
    figure = make_figure("partition").draw(Tables(tables.results, tables.ledger, held, runs))
    assert figure.axes[0].get_xlim()[1] == pytest.approx(11.7)


def test_odd_stores():
    """One seed, a missing run, no baseline, language modelling: every figure that can be drawn."""
    every = set(figure_names()) - {"heterogeneity"}
    one = sample_tables(seeds=(0,), rounds=2)
    assert {drawing.name for drawing in drawings(one)} == every
    missing = without(one, ["reuters-r8-0.1-fp32-0", "reuters-r8-1.0-nf4-0"])
    assert {drawing.name for drawing in drawings(missing)} == every
    no_baseline = sample_tables(codecs=["nf4", "ecsq 1.1 bit + EF"], rounds=2)
    assert {d.name for d in drawings(no_baseline)} == every - {"differences"}
    alone = sample_tables(codecs=["fp32"], alphas=(0.1,), seeds=(0,), rounds=1)
    assert {d.name for d in drawings(alone)} == every - {"differences"}
    empty = Tables(one.results, one.ledger.iloc[:0], one.partitions.iloc[:0], one.runs)
    assert {d.name for d in drawings(empty)} == every - {"spending", "partition", "fairness"}
    language = sample_tables(language_model=True, rounds=2, seeds=(0, 1))
    assert "Test perplexity" in words(next(drawings(language)).figure)


def test_a_diverged_run_is_drawn():
    for metric, worst in (("perplexity", float("inf")), ("loss", float("nan"))):
        made = by_hand(
            {
                ("fp32", 0): [(100, 9.0), (200, 8.0)],
                ("wild", 0): [(10, 9.0), (20, worst)],
            },
            metric,
        )
        assert len(list(drawings(made))) >= 4


def test_nothing_finished_says_so():
    with pytest.raises(NothingToDrawError):
        list(drawings(Tables(*(pd.DataFrame() for _ in range(4)))))


def test_files_are_the_same_again(tables, tmp_path):
    for folder in ("one", "two"):
        save_figure(make_figure("bytes").draw(tables), tmp_path / folder, "figure")
    for suffix in ("svg", "pdf", "png"):
        first, second = ((tmp_path / f / f"figure.{suffix}").read_bytes() for f in ("one", "two"))
        assert first == second
    text = (tmp_path / "one" / "figure.svg").read_text()
    assert "<dc:date>" not in text
    assert "<text" not in text  # paths: no font is needed
    with Image.open(tmp_path / "one" / "figure.png") as image:
        assert image.width == WIDTH * 200


def test_draw_all(tables, tmp_path):
    made = sample_tables(alphas=(0.1,), seeds=(0, 1), rounds=3)
    paths = draw_all(made, tmp_path / "figures")
    assert len(paths) == 8 * 3 + 1 + 3  # with the rows of clients
    assert all(path.stat().st_size > 0 for path in paths)
    assert len({path.name for path in paths}) == len(paths)


def test_the_callers_settings_stay(tables):
    before = dict(matplotlib.rcParams)
    make_figure("pareto").draw(tables)
    assert dict(matplotlib.rcParams) == before


def test_looks_differ_without_colour():
    codecs = [f"codec {i}" for i in range(10)]
    seen = assign_line_styles(codecs, "codec 0").values()
    assert len({(look.marker, str(look.linestyle)) for look in seen}) == 10
    assert len({look.marker for look in seen}) == 10


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (0.5, "0.5 B"), (1, "1 B"), (999, "999 B"), (1000, "1 kB"),
        (1536, "1.54 kB"), (999_999, "1 MB"), (1_540_000, "1.54 MB"), (2e9, "2 GB"),
        (44_200_000, "44.2 MB"), (7.1e20, "710000 PB"), (float("nan"), "–"),
    ],
)  # fmt: skip
def test_bytes_in_words(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize("spread", [1.0, 3, 30, 1e3, 1e6, 1e9])
def test_byte_axis_has_few_ticks(spread):
    axis = Figure().subplots()
    format_bytes_axis(axis, 5e4, 5e4 * spread)
    inside = [t for t in axis.get_xticks() if axis.get_xlim()[0] <= t <= axis.get_xlim()[1]]
    assert 2 <= len(inside) <= 5
