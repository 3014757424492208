"""Clients and their categories as a heat map of shares, with the clients' sizes above."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.client_holdings import gather_categories, has_names, mark_clients
from fedbytes.plots.method_looks import COLOURS, INK, PAPER
from fedbytes.plots.shown_text import inches
from fedbytes.plots.style import fit_columns, points, set_size, wrap_title
from fedbytes.plots.tables.store_tables import NothingToDrawError

_CATEGORIES = 20
_WRITTEN = 12  # categories and clients up to which the counts are written
_CELLS = 4_000  # up to which they are drawn one by one, and sharp at any size
_SHARES = LinearSegmentedColormap.from_list("shares", [PAPER, COLOURS[0]])


def draw_holdings_map(tables: dict[str, pd.DataFrame], columns: int = 2) -> Figure:
    """Draw each client's shares of the categories, one panel per title.

    Args:
        tables: examples by client (rows, by name where clients have names) and category (columns,
            most frequent first).
        columns: panels beside each other.

    Raises:
        NothingToDrawError: if no client holds an example.
    """
    if not any(t.size and t.to_numpy().max() > 0 for t in tables.values()):
        raise NothingToDrawError("no client holds an example of a category")
    shown = {title: gather_categories(counts, _CATEGORIES) for title, counts in tables.items()}
    across = fit_columns(len(shown), columns, least=2.5)
    down = -(-len(shown) // across)
    rows = max(counts.shape[1] for counts in shown.values())
    beside = max(inches(str(name)) for counts in shown.values() for name in counts.columns)
    room = canvas().width / across - max(0.9, beside + 0.45)  # titles stand above the cells alone
    titles = [wrap_title(title, room) for title in shown]
    above = 0.17 * max(1 + title.count("\n") for title in titles)
    names = 0.9 if any(has_names(counts, across) for counts in shown.values()) else 0.0
    height = down * (0.19 * max(rows, 4) + 0.95 + above + names) + 0.3
    figure = Figure(layout="constrained")
    set_size(figure, height)
    grid = figure.subplots(
        2 * down, across, squeeze=False,
        gridspec_kw={"height_ratios": [0.4, 0.19 * max(rows, 4)] * down},
    )  # fmt: skip
    for place, (title, counts) in enumerate(zip(titles, shown.values(), strict=True)):
        row, column = divmod(place, across)
        top, below = grid[2 * row][column], grid[2 * row + 1][column]
        top.set_title(title)
        _draw_sizes(top, counts)
        _draw_shares(below, counts, across)
    for place in range(len(shown), down * across):
        row, column = divmod(place, across)
        grid[2 * row][column].remove()
        grid[2 * row + 1][column].remove()
    return figure


def _draw_sizes(axis: Axes, counts: pd.DataFrame) -> None:
    sizes = counts.sum(axis=1).to_numpy()
    edges = np.arange(len(sizes) + 1) - 0.5
    axis.stairs(sizes, edges, fill=True, color="0.6")
    axis.set_xlim(-0.5, len(sizes) - 0.5)
    axis.set_ylim(0, max(1, int(sizes.max())) * 1.05)
    axis.set_yticks([int(sizes.max())])
    axis.tick_params(labelbottom=False, bottom=False)
    axis.grid(False)


def _draw_shares(axis: Axes, counts: pd.DataFrame, columns: int) -> None:
    values = counts.to_numpy(dtype=float)
    totals = values.sum(axis=1, keepdims=True)
    shares = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    if shares.size <= _CELLS:
        edges = (np.arange(len(shares) + 1) - 0.5, np.arange(shares.shape[1] + 1) - 0.5)
        axis.pcolormesh(*edges, shares.T, cmap=_SHARES, vmin=0, vmax=1)
    else:
        axis.imshow(shares.T, cmap=_SHARES, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axis.set_ylim(shares.shape[1] - 0.5, -0.5)
    axis.set_yticks(range(counts.shape[1]), counts.columns)
    axis.set_xlim(-0.5, len(counts) - 0.5)
    mark_clients(axis, counts, columns)
    axis.set_xlabel("Client")
    axis.grid(False)
    if max(counts.shape) <= _WRITTEN:
        _write_counts(axis, values, shares, columns)


def _write_counts(
    axis: Axes, values: NDArray[np.float64], shares: NDArray[np.float64], columns: int
) -> None:
    """Write how many examples there are, where cells are wide enough for all of the numbers."""
    longest = len(f"{int(values.max())}") * 0.075
    if canvas().width / columns * 0.68 / len(values) < longest + 0.02:
        return
    for client, category in np.argwhere(values > 0):
        axis.text(
            client,
            category,
            f"{int(values[client, category])}",
            ha="center",
            va="center",
            fontsize=points(),
            color=PAPER if shares[client, category] > 0.5 else INK,
        )
