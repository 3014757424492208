"""Which methods a figure of many has in colour: those asked for, or the cheap and good ones."""

from collections import Counter
from collections.abc import Sequence

from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.pareto_front import find_front

MOST_IN_COLOUR = 6


def choose_highlights(comparison: Comparison, asked: Sequence[str] = ()) -> list[str]:
    """Return the methods to draw in colour, in the order of the comparison.

    All of them up to six beside the baseline; else the baseline and those asked for; else the
    baseline and the five that stand most often on the front of final value against bytes.
    """
    base = [codec for codec in comparison.codecs if codec == comparison.baseline]
    others = [codec for codec in comparison.codecs if codec not in base]
    if asked:
        return [*base, *(codec for codec in others if codec in set(asked))]
    if len(others) <= MOST_IN_COLOUR:
        return list(comparison.codecs)
    found = Counter(
        codec for setting in comparison.settings for codec in _front(comparison, setting)
    )
    ranked = sorted(others, key=lambda codec: (-found[codec], others.index(codec)))
    chosen = set(ranked[: MOST_IN_COLOUR - 1])
    return [*base, *(codec for codec in others if codec in chosen)]


def _front(comparison: Comparison, setting: Setting) -> list[str]:
    means = comparison.final(setting).groupby("codec")[["total_bytes", "value"]].mean()
    front = find_front([*means["total_bytes"]], [*means["value"]], comparison.metric.rises)
    return [str(means.index[place]) for place in front]
