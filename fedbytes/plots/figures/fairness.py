from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
    name_values,
)
from fedbytes.plots.tables.comparison import METRICS, Comparison, Setting, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_SHARES = np.linspace(0.0, 1.0, 101)
_OWN = ("accuracy", "perplexity", "loss")


@FIGURES.register("fairness")
@dataclass(frozen=True)
class Fairness(StoreFigure):
    """Clients from the worst off to the best, by the metric on their own test examples."""

    title = "Clients from worst to best"
    caption = (
        "Each client's metric on its own test examples at the end. A flat line serves all clients "
        "alike; its left end is what the worst off have."
    )
    order = 65

    def rows(self, tables: Tables, options: FigureOptions) -> pd.DataFrame | None:
        """Return one row per run and client of the last evaluated round."""
        comparison = _compared(tables, options)
        parts = [
            _ends(tables, comparison, setting).assign(setting=setting.title)
            for setting in comparison.settings
        ]
        found = pd.concat(parts, ignore_index=True)
        return None if found.empty else found

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = _compared(tables, options)
        ends = {s.title: _ends(tables, comparison, s) for s in comparison.settings}
        ends = {title: found for title, found in ends.items() if not found.empty}
        if not ends:
            raise NothingToDrawError(
                "no run measured clients on their own tests: sweep with evaluate_clients=true"
            )
        held = next(iter(ends.values()))
        name = next(m for m in (comparison.metric.name, *_OWN) if m in held)
        metric = METRICS[name]
        figure, axes = make_panels(list(ends), columns=2, sharey=True)
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        drawn: set[str] = set()
        for axis, found in zip(axes, ends.values(), strict=True):
            for codec in reversed([c for c in comparison.codecs if c in set(found["codec"])]):
                runs = found[found["codec"] == codec].groupby("run")[name]
                curves = [_quantiles(values, metric.rises) for _, values in runs]
                _line(axis, np.stack(curves), styles[codec], codec, metric.scale)
                drawn.add(codec)
            axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        label_bottom(axes, "Clients, worst off first")
        unit = " (%)" if metric.scale == 100 else ""
        name_values(figure, f"{metric.name.capitalize()} on clients' own tests{unit}")
        add_legend(figure, [styles[c].handle(c) for c in comparison.codecs if c in drawn])
        add_note(
            figure,
            "Lines: mean over seeds at equal shares of clients. Bands: lowest and highest seed.",
        )
        return figure


def _compared(tables: Tables, options: FigureOptions) -> Comparison:
    """Return the comparison by the metric that is asked for, if clients have it."""
    metric = options.metric if options.metric in _OWN else None
    return compare_codecs(tables, metric, options.baseline)


def _ends(tables: Tables, comparison: Comparison, setting: Setting) -> pd.DataFrame:
    """Return the clients of the last evaluated round of each run, with the codec."""
    clients = tables.clients
    if clients.empty or not set(_OWN) & set(clients.columns):
        return pd.DataFrame()
    last = comparison.final(setting)[["run", "round", "codec", "seed"]]
    found = clients.merge(last, on=["run", "round"])
    names = [metric for metric in _OWN if metric in found and found[metric].notna().any()]
    found = found[found[names[0]].notna()] if names else found.iloc[:0]
    return found[["run", "codec", "seed", "round", "client", *names]]


def _quantiles(values: pd.Series, rises: bool) -> NDArray[np.float64]:
    """Return what clients have at equal shares of them, the worst off first."""
    ordered = np.sort(values.to_numpy(dtype=np.float64))
    ordered = ordered if rises else ordered[::-1]
    places = np.linspace(0.0, 1.0, len(ordered)) if len(ordered) > 1 else np.zeros(1)
    return np.asarray(np.interp(_SHARES, places, ordered), dtype=np.float64)


def _line(
    axis: Axes, curves: NDArray[np.float64], style: LineStyle, codec: str, scale: float
) -> None:
    mean, low, high = (
        drawn_values(part, scale) for part in (curves.mean(0), curves.min(0), curves.max(0))
    )
    axis.plot(
        _SHARES,
        mean,
        color=style.color,
        marker=style.marker,
        linestyle=style.linestyle,
        label=codec,
        markevery=20,
    )
    if len(curves) > 1:
        axis.fill_between(_SHARES, low, high, color=style.color, alpha=0.15, linewidth=0)
