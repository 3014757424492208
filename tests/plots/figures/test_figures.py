"""Figures show what they should, in words, lines and places."""

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from grid_stores import grid_store
from matplotlib.figure import Figure
from PIL import Image
from synthetic import by_hand, without
from verdicts.known_stores import store_of

from fedbytes.plots import (
    FigureOptions,
    NothingToDrawError,
    Tables,
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
from fedbytes.plots.method_looks import FAINT
from fedbytes.plots.style import WIDTH
from fedbytes.plots.tables.pareto_front import count_on_front, find_front


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
        names = {made.get_label() for made in axis.lines}
        assert names >= {"fp32", "nf4, 4.8\xa0bit", "ecsq 1.1 bit + EF", "topk 1 % 4 bit + EF"}
        seeds = [made for made in axis.lines if made.get_label().endswith("seed")]
        assert len(seeds) == 3 * 3  # below five seeds no band: those of the first three methods
        assert not axis.collections
    said = words(figure)
    for part in (
        "Test accuracy (%)",
        "Bytes sent, both ways, all clients",
        "1 MB",
        "α = 0.1",
        "topk 1 % 4 bit + EF",
        "nf4 4.8\xa0bit",
        "mean over 3 seeds",
        "reuters-r8 · minilm · lora · fedavg · 12 rounds · n = 3 seeds",
    ):
        assert part in said
    fp32 = line(figure.axes[0], "fp32")
    rows = tables.results.query("codec == 'fp32' and alpha == 0.1")
    mean = rows.groupby("round")[["total_bytes", "accuracy"]].mean()
    assert np.allclose(fp32.get_xdata(), mean["total_bytes"])
    assert np.allclose(fp32.get_ydata(), 100 * mean["accuracy"])


def test_from_five_seeds_on_three_methods_have_a_band():
    figure = make_figure("bytes").draw(sample_tables(alphas=(0.1,), seeds=range(5)))
    (axis,) = figure.axes
    assert len(axis.collections) == 3
    assert not [made for made in axis.lines if made.get_label().endswith("seed")]
    assert "resampled seeds" in words(figure)


def test_of_many_methods_the_named_ones_are_in_colour():
    tables = grid_store(13, 3, 1)
    names = {made.get_label(): made.get_color() for made in bytes_of(tables).lines}
    assert sum(color == FAINT for color in names.values()) == 13 - 6
    asked = FigureOptions(highlight=("nf4",))
    names = {made.get_label(): made.get_color() for made in bytes_of(tables, asked).lines}
    assert names["nf4, 9.1\xa0bit"] != FAINT
    assert sum(color == FAINT for color in names.values()) == 13 - 2


def bytes_of(tables, options=None):
    return make_figure("bytes").draw(tables, options).axes[0]


def test_the_constant_answer_is_drawn_where_it_is_known():
    tables = grid_store(2, 3, 1)
    assert "always the same answer: 49.5" in words(make_figure("bytes").draw(tables))
    unknown = replace(tables, runs=tables.runs.drop(columns="constant_accuracy"))
    assert "always" not in words(make_figure("bytes").draw(unknown))


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
    assert find_front(costs, values, rises) == expected


def test_front_is_what_nothing_beats():
    rng = np.random.default_rng(0)
    costs, values = rng.random(40), rng.random(40)
    kept = find_front(costs, values)
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
        made.get_label(): made.get_markerfacecolor() == made.get_color()
        for made in axis.lines
        if made.get_label() in ("fp32", "good", "bad")
    }
    assert filled == {"fp32": False, "good": True, "bad": False}
    assert list(line(axis, "Pareto front").get_xdata()) == [100]


def test_the_chance_of_being_on_the_front():
    # Of two methods that swap places with the seed, the dearer is ahead in the resamples in which
    # its good seeds are more: with two seeds, one draw in four has its good seed twice.
    costs = np.array([1.0, 2.0, 3.0])
    values = np.array([[0.5, 0.7], [0.7, 0.5], [0.1, 0.1]])
    cheap, dear, never = count_on_front(costs, values)
    assert (cheap, never) == (1.0, 0.0)
    assert dear == pytest.approx(0.25, abs=0.05)
    assert list(count_on_front(costs, values[:, :1])) == [1.0, 1.0, 0.0]
    fallen = count_on_front(costs, -values, rises=False)
    assert list(fallen) == [cheap, dear, never]


def test_bytes_to_target_says_ratio_and_what_is_not_reached():
    figure = make_figure("target").draw(
        by_hand(
            {
                ("fp32", 0): [(500, 0.5), (1000, 0.5), (2000, 0.95), (4000, 0.95)],
                ("good", 0): [(50, 0.5), (100, 0.5), (200, 0.95), (400, 0.95)],
                ("bad", 0): [(10, 0.2), (20, 0.3), (30, 0.3)],
            }
        ),
        FigureOptions(target=0.9),
    )
    (axis,) = figure.axes
    said = words(figure)
    for part in ("accuracy ≥ 90.0 %", "10 ×", "1/1", "0/1", "< 61.7 ×"):
        assert part in said
    # log-interpolated: 2000 times two to the power of -1/9
    (base,) = [made for made in axis.lines if len(set(map(float, made.get_xdata()))) == 1
               and len(made.get_xdata()) == 2]  # fmt: skip
    assert base.get_xdata()[0] == pytest.approx(2000 * 2 ** (-1 / 9))
    missed = [made for made in axis.lines if made.get_marker() == ">" and made.get_xdata()[0] == 30]
    assert len(missed) == 1


def test_what_is_there_at_its_first_evaluation_is_a_bound_and_has_no_mean():
    figure = make_figure("target").draw(
        by_hand(
            {
                ("fp32", 0): [(500, 0.5), (2000, 0.95), (4000, 0.95)],
                ("early", 0): [(50, 0.95), (100, 0.95), (200, 0.95)],
            }
        ),
        FigureOptions(target=0.9),
    )
    (axis,) = figure.axes
    (early,) = [made for made in axis.lines if made.get_marker() == "<"]
    assert list(early.get_xdata()) == [50]
    assert [made for made in axis.lines if list(made.get_xdata()) == [50]] == [early]
    assert "first evaluation" in words(figure)
    assert "Without a mean" in words(figure)
    assert early.get_ydata()[0] < 1, "no dearer than the baseline, which needs more"


def test_three_targets_stand_beside_each_other(tables):
    figure = make_figure("target").draw(tables)
    assert len(figure.axes) == 2 * 3
    assert len(make_figure("target").draw(tables, FigureOptions(target=0.8)).axes) == 2
    asked = FigureOptions(targets=(0.8, 0.7))
    heads = [axis.get_title("left") for axis in make_figure("target").draw(tables, asked).axes[:2]]
    assert heads == ["≥ 70.0 %", "≥ 80.0 %"]


def test_a_target_that_a_constant_answer_comes_near_is_said():
    tables = grid_store(3, 3, 1)
    asked = FigureOptions(target=0.54)
    assert "too easy" in words(make_figure("target").draw(tables, asked))
    with pytest.raises(NothingToDrawError):
        make_figure("profile").draw(tables, asked)
    assert "too easy" not in words(make_figure("target").draw(tables, FigureOptions(target=0.56)))


def test_the_profile_is_one_minus_kaplan_meier():
    figure = make_figure("profile").draw(
        by_hand(
            {("fp32", s): [(10, 0.1), (100 * (s + 1), 0.9), (1000, 0.9)] for s in range(4)}
            | {("bad", s): [(10, 0.1), (50, 0.2)] for s in range(4)}
        ),
        FigureOptions(target=0.9),
    )
    (axis,) = figure.axes
    assert list(line(axis, "fp32").get_ydata()) == [0, 0.25, 0.5, 0.75, 1, 1]
    assert list(line(axis, "bad").get_ydata()) == [0, 0]
    assert line(axis, "bad").get_xdata()[1] == 50


def test_verdicts_end_their_rows(tables):
    six = store_of({"good": [0.001, 0, -0.001, 0, 0.001, 0], "bad": [-0.05, -0.06] * 3})
    figure = make_figure("verdict").draw(six)
    said = words(figure)
    for part in ("−5.50", "worse", "equal", "margin 0.50 points", "Minus fp32, paired"):
        assert part in said
    assert "margin 1.00 points" in words(
        make_figure("verdict").draw(six, FigureOptions(margin=0.01))
    )
    few = words(make_figure("verdict").draw(tables))
    assert few.count("no verdict: n = 3") == 6


def test_a_difference_beyond_the_axis_has_an_arrow():
    gaps = {f"method {i}": [0.001 * i - 0.002, 0.0, 0.001, 0, 0, 0] for i in range(5)}
    figure = make_figure("verdict").draw(store_of({**gaps, "lost": [-0.7] * 6}))
    (axis,) = figure.axes
    left = axis.get_xlim()[0]
    assert left > -10
    arrows = [
        made for made in axis.lines if made.get_marker() == "<" and made.get_xdata()[0] == left
    ]
    assert arrows
    assert "−70.00" in words(figure)


def test_differences(tables):
    said = words(make_figure("differences").draw(tables))
    assert "Final accuracy minus fp32's" in said
    assert "n = 3" in said
    assert "an arrow is a bound" in said


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


@pytest.mark.parametrize("clients", [10, 100])
def test_holdings_are_shares_with_sizes_above(clients):
    held = sample_tables(clients=clients, seeds=(0, 2), codecs=["fp32"], rounds=1)
    figure = make_figure("partition").draw(held)
    for above, below, alpha in zip(figure.axes[:2], figure.axes[2:], (0.1, 1.0), strict=True):
        mine = held.partitions[held.partitions["run"] == f"reuters-r8-{alpha}-fp32-0"]
        table = mine.pivot_table(index="client", columns="category", values="examples")
        (cells,) = below.collections
        shares = table.div(table.sum(axis=1).replace(0, 1), axis=0)
        names = [label.get_text() for label in below.get_yticklabels()]
        assert np.allclose(cells.get_array(), shares[names].to_numpy().T)
        (sizes,) = above.patches
        assert np.array_equal(sizes.get_data().values, table.sum(axis=1))
    assert "Partition of seed 0" in words(figure)
    assert "Partition of seed 2" in words(make_figure("partition", seed=2).draw(held))


def test_clients_that_hold_nothing_are_shown(tables):
    held = tables.partitions[tables.partitions["client"] < 7]
    runs = tables.runs.assign(
        config=[{**c, "partition": {"num_clients": 12}} for c in tables.runs["config"]]
    )
    figure = make_figure("partition").draw(Tables(tables.results, tables.ledger, held, runs))
    assert figure.axes[-1].get_xlim()[1] == pytest.approx(11.5)


def test_odd_stores():
    """One seed, a missing run, no baseline, language modelling: every figure that can be drawn."""
    attacked = {"durability", "robust_accuracy", "attack_grid", "worst_attack"}
    attacked |= {"leakage", "leakage_price", "membership", "exposure", "epsilon", "secret_sums"}
    every = set(figure_names()) - attacked - {"heterogeneity", "assumed_attackers"}
    one = sample_tables(seeds=(0,), rounds=12)
    assert {drawing.name for drawing in drawings(one)} == every
    missing = without(one, ["reuters-r8-0.1-fp32-0", "reuters-r8-1.0-nf4-0"])
    assert {drawing.name for drawing in drawings(missing)} == every
    no_baseline = sample_tables(codecs=["nf4", "ecsq 1.1 bit + EF"], rounds=12)
    assert {d.name for d in drawings(no_baseline)} == every - {"differences", "verdict"}
    alone = sample_tables(codecs=["fp32"], alphas=(0.1,), seeds=(0,), rounds=1)
    assert {d.name for d in drawings(alone)} == every - {"differences", "verdict", "profile"}
    empty = Tables(one.results, one.ledger.iloc[:0], one.partitions.iloc[:0], one.runs)
    assert {d.name for d in drawings(empty)} == every - {"spending", "partition", "fairness"}
    language = sample_tables(language_model=True, rounds=2, seeds=(0, 1))
    drawn = {drawing.name: drawing.figure for drawing in drawings(language)}
    assert "Test perplexity" in words(drawn["bytes"])
    assert "ln perplexity; better to the left" in words(drawn["verdict"])


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
    made = sample_tables(alphas=(0.1,), seeds=(0, 1), rounds=12)
    paths = draw_all(made, tmp_path / "figures")
    assert len(paths) == 10 * 3 + 1 + 3  # with the rows of clients
    assert all(path.stat().st_size > 0 for path in paths)
    assert len({path.name for path in paths}) == len(paths)


def test_the_callers_settings_stay(tables):
    before = dict(matplotlib.rcParams)
    make_figure("pareto").draw(tables)
    assert dict(matplotlib.rcParams) == before


def test_a_study_of_many_settings_has_several_pages(tmp_path):
    tables = grid_store(2, 1, 15, rounds=2)
    named = {drawing.name for drawing in drawings(tables, figures=[make_figure("bytes")])}
    assert named == {"bytes", "bytes-2"}
    pages = make_figure("bytes").pages(tables, FigureOptions())
    assert [page.results["alpha"].nunique() for page in pages] == [8, 7]


@pytest.mark.parametrize(("name", "inches"), [("column", 3.4), ("page", 7.0), ("slide", 10.0)])
def test_widths(tables, name, inches):
    figure = make_figure("bytes").draw(tables, FigureOptions(width=name))
    assert figure.get_figwidth() == pytest.approx(inches)
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
    assert min(sizes) >= (11 if name == "slide" else 8)
    assert make_figure("bytes").draw(tables).get_figwidth() == 7.0


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
