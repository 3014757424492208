"""Clients and their categories as bubbles or stacked bars."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fedbytes.plots.method_looks import COLOURS, INK
from fedbytes.plots.shown_text import cut, distinct, drawable
from fedbytes.plots.style import WIDTH, add_legend, extra_height, label_bottom, make_panels
from fedbytes.plots.tables.store_tables import NothingToDrawError

CLIENTS_LABEL = "Clients, the largest first"
BUBBLES = 30  # clients; more are drawn as stacked bars
_ROWS = 20  # categories with a row of bubbles
_NAME = 1.6  # inches of a category's name
_NAMES, _NAME_PITCH = 0.9, 0.14  # inches of clients' names, and between them
_STACKS = 8  # categories with a colour of their own


def gather_categories(counts: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the most frequent categories by their short names, and the others as one."""
    kept = counts if counts.shape[1] <= most else counts.iloc[:, : most - 1]
    named = kept.set_axis(short_names(kept.columns), axis="columns")
    if kept.shape[1] == counts.shape[1]:
        return named
    others = counts.iloc[:, most - 1 :].sum(axis=1).rename(_others(counts.shape[1] - most + 1))
    return pd.concat([named, others], axis=1)


def short_names(names: Iterable[object]) -> list[str]:
    """Return how categories are named in a figure: cut, and no two alike."""
    return list(distinct(names, _NAME).values())


def _others(count: int) -> str:
    return f"({count} others)" if count != 1 else "(1 other)"


def _largest(tables: Mapping[str, pd.DataFrame]) -> int:
    """Return the most examples of a category on a client.

    Raises:
        NothingToDrawError: if nobody holds any.
    """
    largest = max((int(t.to_numpy().max()) for t in tables.values() if t.size), default=0)
    if largest <= 0:
        raise NothingToDrawError("no client holds an example of a category")
    return largest


def draw_bubbles(tables: dict[str, pd.DataFrame], columns: int = 2) -> Figure:
    """Draw a bubble for each client and category, one panel per title; for few clients.

    Tables are examples by client (rows, by name where clients have names) and category (columns,
    most frequent first).
    """
    largest = _largest(tables)
    shown = {title: gather_categories(counts, _ROWS) for title, counts in tables.items()}
    rows = max(counts.shape[1] for counts in shown.values())
    figure, axes = make_panels(list(shown), columns=columns, sharey=_same_columns(shown))
    down = -(-len(axes) // columns)
    above = 0.8 + extra_height([axis.get_title() for axis in axes])
    below = _NAMES if any(has_names(counts, columns) for counts in shown.values()) else 0.0
    figure.set_size_inches(WIDTH, 1.0 + down * (above + below + 0.2 * rows))
    widest = max(len(counts) for counts in shown.values())
    area = min(230.0, (WIDTH * 72 * 0.72 / columns / widest) ** 2)
    for axis, counts in zip(axes, shown.values(), strict=True):
        values = counts.to_numpy()
        client, category = np.nonzero(values)
        axis.scatter(
            client,
            category,
            s=np.maximum(values[client, category] / largest * area, 1.5),
            color=COLOURS[0],
            alpha=0.85,
            linewidths=0,
        )
        axis.set_yticks(range(counts.shape[1]), counts.columns)
        axis.set_ylim(counts.shape[1] - 0.4, -0.6)
        axis.set_xlim(-0.7, len(counts) - 0.3)
        mark_clients(axis, counts, columns)
        axis.set_xlabel("Client")
    keys = sorted({_round_number(largest * part) for part in (0.05, 0.25, 1.0)})
    add_legend(
        figure,
        [
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                color=COLOURS[0],
                markeredgewidth=0,
                markersize=float(np.sqrt(key / largest * area)),
                label=f"{key:,} examples",
            )
            for key in keys
        ],
    )
    return figure


def has_names(counts: pd.DataFrame, columns: int) -> bool:
    """Return whether the clients have names, and a panel the width to write them upright."""
    named = not pd.api.types.is_integer_dtype(counts.index.dtype)
    return named and len(counts) <= 0.75 * WIDTH / columns / _NAME_PITCH


def mark_clients(axis: Axes, counts: pd.DataFrame, columns: int) -> None:
    """Write the clients' names below the x axis of one of so many panels, or numbers."""
    if not has_names(counts, columns):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        return
    shown = [
        cut(drawable(name) or str(place), _NAMES - 0.05) for place, name in enumerate(counts.index)
    ]
    axis.set_xticks(range(len(shown)), shown, rotation=90)


def _same_columns(tables: dict[str, pd.DataFrame]) -> bool:
    return len({tuple(counts.columns) for counts in tables.values()}) == 1


def _round_number(value: float) -> int:
    power = 10 ** int(np.log10(max(value, 1)))
    return int(max(1, value // power * power))


def draw_stacks(tables: dict[str, pd.DataFrame], columns: int = 1) -> Figure:
    """Draw a stacked bar for each client, one panel per title; tables as for `draw_bubbles`.

    Few clients are shown by number; many are sorted by size.
    """
    _largest(tables)
    height = 2.4 if columns == 1 else 1.7
    height += _NAMES if any(has_names(t, columns) for t in tables.values()) else 0.0
    figure, axes = make_panels(list(tables), height=height, columns=columns)
    totals = pd.concat([counts.sum() for counts in tables.values()], axis=1).sum(axis=1)
    kept = list(totals.sort_values(ascending=False, kind="stable").index)
    others = kept[_STACKS - 1 :] if len(kept) > _STACKS else []
    kept = kept[: len(kept) - len(others)]
    names = short_names(kept) + [_others(len(others))] * bool(others)
    ramp = colormaps["viridis"](np.linspace(0.02, 0.98, len(names)))
    for axis, counts in zip(axes, tables.values(), strict=True):
        full = counts.reindex(columns=[*kept, *others], fill_value=0)
        parts = full[kept].to_numpy()
        if others:
            parts = np.column_stack([parts, full[others].sum(axis=1)])
        _stack(axis, parts, ramp)
        if len(counts) <= BUBBLES:
            mark_clients(axis, counts, columns)
    add_legend(figure, [Patch(facecolor=ramp[i], label=name) for i, name in enumerate(names)])
    figure.supylabel("Examples")
    label_bottom(axes, CLIENTS_LABEL if _many(tables) else "Client", columns)
    return figure


def _many(tables: dict[str, pd.DataFrame]) -> bool:
    return max(len(counts) for counts in tables.values()) > BUBBLES


def _stack(axis: Axes, counts: NDArray[Any], ramp: NDArray[Any]) -> None:
    """Draw [clients, categories]: bars if few, else one filled step curve per category."""
    if len(counts) <= BUBBLES:
        _bars(axis, counts, ramp)
        return
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    tops = np.cumsum(counts[order], axis=1)
    edges = np.arange(len(counts) + 1)
    below = np.zeros(len(counts))
    for i in range(counts.shape[1]):
        axis.stairs(tops[:, i], edges, baseline=below, fill=True, color=ramp[i], linewidth=0)
        below = tops[:, i]
    axis.stairs(below, edges, color=INK, linewidth=0.5)
    axis.set_xlim(0, len(counts))
    axis.set_ylim(0, None)


def _bars(axis: Axes, counts: NDArray[Any], ramp: NDArray[Any]) -> None:
    below = np.zeros(len(counts))
    for i in range(counts.shape[1]):
        axis.bar(range(len(counts)), counts[:, i], 0.86, bottom=below, color=ramp[i], linewidth=0)
        below = below + counts[:, i]
    axis.set_xlim(-0.7, len(counts) - 0.3)
    axis.grid(False, axis="x")
