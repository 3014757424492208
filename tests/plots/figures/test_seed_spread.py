"""What stands around a mean: each seed below five, an interval from there, within what can be."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from fedbytes.plots.drawing.points.seed_spread import describe_spread, draw_spread
from fedbytes.plots.tables.comparison import METRICS
from fedbytes.plots.tables.statistics import t_interval

SHARE, LOSS = METRICS["accuracy"], METRICS["loss"]


def drawn(values, metric=SHARE):
    axis = Figure().subplots()
    draw_spread(axis, 2.0, values, metric, "black")
    return axis


def test_below_five_seeds_each_is_a_dot():
    axis = drawn([0.2, 0.4, float("nan"), 0.9])
    (dots,) = axis.collections
    found = np.ma.filled(dots.get_offsets(), np.nan)
    assert found[np.isfinite(found[:, 1])].tolist() == [[2, 20], [2, 40], [2, 90]]


@pytest.mark.parametrize(
    ("metric", "low"), [(SHARE, 0.0), (LOSS, t_interval([0, 0, 0, 0, 0.5]).low)]
)
def test_an_interval_of_five_ends_where_a_share_does(metric, low):
    values = [0.0, 0.0, 0.0, 0.0, 0.5]
    ((segment,),) = [bars.get_segments() for bars in drawn(values, metric).collections]
    high = t_interval(values).high
    assert segment[:, 1] == pytest.approx([metric.scale * low, metric.scale * high])
    assert low <= 0 < high


@pytest.mark.parametrize(
    ("seeds", "words"),
    [([3, 1], "small dots: seeds"), ([5, 10], "bars: 95 % t interval over seeds")],
)
def test_a_note_says_which(seeds, words):
    assert describe_spread(seeds) == words
    assert words in describe_spread([3, 5])
