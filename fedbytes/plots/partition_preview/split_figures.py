"""Figures of partitions before any training: holdings, distances, sizes and strength."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fedbytes.plots.drawing.client_holdings import (
    BUBBLES,
    draw_bubbles,
    draw_stacks,
    short_names,
)
from fedbytes.plots.method_looks import COLOURS, DASHES
from fedbytes.plots.partition_preview.knob_vs_nmi import (
    collect_knob_values,
    draw_knob_vs_nmi,
    field_name,
)
from fedbytes.plots.shown_text import cut, drawable
from fedbytes.plots.style import label_bottom, make_panels, save_figure, styled
from fedbytes.plots.tables.store_tables import NothingToDrawError, flatten_keys

_ROWS = 20  # categories with a row of cells of their own
_TITLE = 4.5  # inches of a title, which panels break into lines
_PANELS = 15  # configurations in one figure


@dataclass(frozen=True, eq=False)
class SplitView:
    """A partition and its measures, as figures read them.

    Attributes:
        title: how its configuration differs from the others.
        spec: the partitioner's `{"name": …, **fields}`.
        seed: of the draw.
        counts: examples, one row per client and one column per category.
        sizes: examples of each client, [clients].
        nmi: measured heterogeneity.
        clients, distances: some clients [n], and how far they are from each other, [n, n].
    """

    title: str
    spec: dict[str, Any]
    seed: int
    counts: pd.DataFrame
    sizes: NDArray[np.int64]
    nmi: float
    clients: NDArray[np.int64]
    distances: NDArray[np.float64]


def draw_splits(views: Sequence[SplitView], folder: str | Path) -> list[Path]:
    """Write each figure that the partitions have data for as SVG, PDF and PNG; return the paths.

    Who holds what is drawn for the first seed of each configuration, strength over all seeds.
    """
    first = {view.title: view for view in reversed(views)}
    shown = [view for view in views if first[view.title] is view][:_PANELS]
    figures: dict[str, Callable[[], Figure]] = {
        "bars": lambda: draw_bars(shown),
        "bubbles": lambda: draw_cells(shown),
        "distances": lambda: draw_distances(shown),
        "sizes": lambda: draw_sizes(shown),
        "strength": lambda: draw_knob_vs_nmi(
            collect_knob_values([(v.spec, v.seed, v.nmi) for v in views])
        ),
    }
    paths = []
    for name, draw in figures.items():
        try:
            paths += save_figure(draw(), folder, name)
        except NothingToDrawError:
            continue
    return paths


@styled
def draw_bars(views: Sequence[SplitView]) -> Figure:
    """Draw a stacked bar per client: its examples by category."""
    return draw_stacks(_tables(views), _columns(views))


@styled
def draw_cells(views: Sequence[SplitView]) -> Figure:
    """Draw who holds which category: bubbles for few clients, cells of an image for many."""
    tables, columns = _tables(views), _columns(views)
    if max(counts.size for counts in tables.values()) == 0:
        raise NothingToDrawError("no client holds an example of a category")
    if max(len(counts) for counts in tables.values()) <= BUBBLES:
        return draw_bubbles(tables, max(2, columns))
    rows = min(_ROWS, max(counts.shape[1] for counts in tables.values()))
    height = 0.7 + 0.13 * rows
    figure, axes = make_panels(list(tables), height=height, columns=columns)
    for axis, counts in zip(axes, tables.values(), strict=True):
        kept = counts.iloc[:, :_ROWS]
        order = _by_favourite(counts.to_numpy())
        sizes = np.maximum(counts.to_numpy().sum(axis=1, keepdims=True), 1)
        shares = (kept.to_numpy() / sizes)[order]
        image = axis.imshow(
            shares.T, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="none"
        )
        axis.set_yticks(range(kept.shape[1]), short_names(kept.columns))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axis.grid(False)
    label_bottom(axes, "Clients, by the category they hold most of", columns)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label("Share of the client's examples")
    return figure


@styled
def draw_distances(views: Sequence[SplitView]) -> Figure:
    """Draw the distance of every two clients, similar clients next to each other."""
    columns = min(3, len(views))
    titles = _titles(views)
    figure, axes = make_panels(titles, height=2.5, columns=columns)
    for axis, view in zip(axes, views, strict=True):
        order = _by_favourite(_ordered(view.counts).to_numpy()[view.clients])
        held = view.sizes[view.clients[order]] > 0
        order = order[held]
        matrix = view.distances[np.ix_(order, order)]
        image = axis.imshow(matrix, cmap="viridis", vmin=0, vmax=1, interpolation="none")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axis.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axis.grid(False)
    label_bottom(axes, "Clients, similar ones together", columns)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("Jensen-Shannon divergence (bit)")
    return figure


@styled
def draw_sizes(views: Sequence[SplitView]) -> Figure:
    """Draw the clients' sizes, the largest first, over the share of clients."""
    schemes: dict[str, list[SplitView]] = {}
    for view in views:
        schemes.setdefault(str(view.spec["name"]), []).append(view)
    columns = min(3, len(schemes))
    titles = [name if len(group) > 1 else group[0].title for name, group in schemes.items()]
    figure, axes = make_panels(titles, height=2.2, columns=columns, sharey=True)
    for axis, group in zip(axes, schemes.values(), strict=True):
        for place, view in enumerate(group):
            ordered = np.sort(view.sizes)[::-1]
            edges = np.arange(ordered.size + 1) / ordered.size
            label = cut(drawable(_knob(view, group) or view.title), 1.4)
            axis.stairs(
                ordered,
                edges,
                baseline=None,
                color=COLOURS[place % len(COLOURS)],
                linestyle=DASHES[(place - 1) % len(DASHES)] if place else "-",
                label=label,
            )
        axis.set_xlim(0, 1)
        axis.set_ylim(0, None)
        axis.xaxis.set_major_locator(FixedLocator([0.25, 0.5, 0.75]))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * 100:g} %"))
        if len(group) > 1:
            legend = axis.legend(fontsize=8, handlelength=1.6)
            legend.set_in_layout(False)
    label_bottom(axes, "Clients, the largest first", columns)
    axes[0].set_ylabel("Examples")
    return figure


def _titles(views: Sequence[SplitView]) -> list[str]:
    """Return a title per view, no two alike: scheme, knob, and on a line of its own the NMI."""
    found: list[str] = []
    for view in views:
        knob = _knob(view, views)
        words = f"{view.spec['name']}, {knob}" if knob else view.title
        plain = f"{cut(drawable(words), _TITLE, bold=True)}\nNMI {view.nmi:.2f}"
        alike = sum(title.startswith(plain) for title in found)
        found.append(f"{plain} ({alike + 1})" if alike else plain)
    return found


def _knob(view: SplitView, views: Sequence[SplitView]) -> str:
    """Return the fields in which a view differs from the others of its scheme, in words."""
    specs = [flatten_keys(other.spec) for other in views if other.spec["name"] == view.spec["name"]]
    own = flatten_keys(view.spec)
    differ = [key for key in own if len({str(spec.get(key)) for spec in specs}) > 1]
    # Spaces that do not break, so that a title is wrapped between fields.
    words = (f"{field_name(key)} = {_number(own[key])}".replace(" ", "\u00a0") for key in differ)
    return ", ".join(words)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _columns(views: Sequence[SplitView]) -> int:
    return 1 if len(views) < 3 else 2 if len(views) < 5 else 3


def _tables(views: Sequence[SplitView]) -> dict[str, pd.DataFrame]:
    titles = _titles(views)
    return {t: _ordered(view.counts) for t, view in zip(titles, views, strict=True)}


def _ordered(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the most frequent category first, without those that nobody has."""
    totals = counts.sum().sort_values(ascending=False, kind="stable")
    return counts[totals[totals > 0].index]


def _by_favourite(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Return the clients by the category they hold most of, then by its share; empty ones last."""
    if counts.shape[1] == 0:
        return np.arange(len(counts))
    favourite = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), counts.shape[1])
    share = counts.max(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return np.lexsort((-share, favourite)).astype(np.int64)
