"""The loss that would matter: the margin of a metric, as asked for or by custom."""

from fedbytes.plots.inference.paired_tests import check_margin
from fedbytes.plots.tables.comparison import Metric

_MARGINS = {"loss": 0.01, "train_loss": 0.01, "perplexity": 0.01}
_LARGEST = 0.2  # of a metric from 0 to 1; above, points are meant


def choose_margin(metric: Metric, margin: float | None) -> float:
    """Return a margin that fits the metric: the one asked for, or the protocol's.

    Half a point of a metric from 0 to 1, 0.01 nats of a loss, 1 % of perplexity.

    Raises:
        ValueError: for one that is not above 0 or cannot be meant, or without one for a metric
            that the protocol has none of.
    """
    if margin is None:
        found = 0.005 if metric.scale == 100 else _MARGINS.get(metric.name)
        if found is None:
            raise ValueError(f"there is no usual margin for {metric.name!r}: give --margin")
        return found
    check_margin(margin)
    if metric.scale == 100 and margin > _LARGEST:
        raise ValueError(
            f"a margin of {margin:g} is {margin * 100:g} points of {metric.name}: half a point is "
            "0.005"
        )
    return margin
