"""`fedbytes.plot`: one figure of a store, in one's own axes, words and colours if need be."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbytes.experiments.config.target import Target
from fedbytes.process.notebook import is_notebook, show_figures
from fedbytes.registry import hint_at_nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fedbytes.plots.tables.store_tables import Tables

_GREY = "#b4b4b4"


def plot(
    store: str | os.PathLike[str],
    figure: str = "bytes",
    *,
    ax: "Axes | Sequence[Axes] | None" = None,
    labels: Mapping[str, str] | None = None,
    order: Sequence[str] = (),
    palette: Mapping[str, str] | Sequence[str] | None = None,
    highlight: Sequence[str] = (),
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> "Figure":
    """Draw one figure of a folder of runs, such as `fedbytes.plot("runs/quickstart", "pareto")`.

    Args:
        store: the folder of runs.
        figure: its name, as in `fedbytes list figures`.
        ax: axes of your own to draw into, one for each setting of the store. Their figure keeps
            its size and your rcParams, and is returned.
        labels: other words for methods, by their label in the store.
        order: methods in the order in which they are listed; others follow.
        palette: colours by method, or a list of them for methods in their order.
        highlight: methods that are drawn in colour, the others in grey.
        metric: a column of the results; the task's headline metric by default.
        target: the metric value that bytes are counted up to; the suite's by default.
        baseline: the method that others are compared with; the suite's by default, or fp32.

    Methods are named as in the store, or as `labels` calls them.

    Raises:
        ValueError: for an unknown figure, metric or method, axes that are not as many as panels,
            a figure that arranges its own panels with `ax`, and if the store lacks what the figure
            shows.
    """
    from fedbytes.experiments.store.results import stored_target
    from fedbytes.plots import FigureOptions, make_figure, read_tables
    from fedbytes.plots.tables.comparison import compare_codecs

    chosen, folder = make_figure(figure), Path(store)
    tables = read_tables(folder)
    names = _Names(tables, labels or {})
    tables = replace(names.renamed(tables), order=names.all(order))
    base = None if baseline is None else names.one(baseline)
    wanted = stored_target(folder) if target is None else target
    methods = compare_codecs(tables, metric, base).codecs
    colours = _colours(methods, names, palette, names.all(highlight))
    axes = _axes(ax)
    with _drawn(axes, colours):
        drawn = chosen.draw(tables, FigureOptions(metric, wanted, base))
    if not axes and is_notebook():
        show_figures()
    if axes and drawn is not axes[0].figure:
        raise ValueError(f"figure {figure!r} arranges its own panels: draw it without ax")
    return drawn


class _Names:
    """The methods of a store, by the labels that they have and those that they are given."""

    def __init__(self, tables: "Tables", labels: Mapping[str, str]) -> None:
        self.known = sorted(set(map(str, tables.finished()["codec"])))
        self.labels: dict[str, str] = {}
        for method, words in labels.items():
            self._require(method, self.known)
            self.labels[method] = words
        shown = [self.labels.get(method, method) for method in self.known]
        for words in shown:
            if shown.count(words) > 1:
                raise ValueError(f"labels: two methods would both be called {words!r}")
        self.shown = shown

    def one(self, method: str) -> str:
        """Return how a method is called in the figure."""
        if method in self.shown:
            return method
        self._require(method, self.known)
        return self.labels.get(method, method)

    def all(self, methods: Sequence[str]) -> tuple[str, ...]:
        """Return how methods are called in the figure."""
        return tuple(map(self.one, methods))

    def renamed(self, tables: "Tables") -> "Tables":
        """Return tables whose methods are called so."""
        codecs = tables.results["codec"].map(lambda label: self.labels.get(str(label), label))
        base = tables.baseline
        return replace(
            tables,
            results=tables.results.assign(codec=codecs),
            baseline=None if base is None else self.labels.get(base, base),
        )

    @staticmethod
    def _require(method: str, known: Sequence[str]) -> None:
        if method not in known:
            hint = hint_at_nearest(method, known)
            raise ValueError(f"no method is called {method!r}{hint} (known: {'; '.join(known)})")


def _colours(
    methods: Sequence[str],
    names: _Names,
    palette: Mapping[str, str] | Sequence[str] | None,
    highlight: Sequence[str],
) -> dict[str, str]:
    """Return the colours that are asked for, grey for what is not highlighted."""
    if isinstance(palette, Mapping):
        colours = {names.one(method): colour for method, colour in palette.items()}
    else:
        colours = dict(zip(methods, palette or (), strict=False))
    grey = {method: _GREY for method in methods if highlight and method not in highlight}
    return colours | grey


def _axes(ax: Any) -> list[Any]:
    if ax is None:
        return []
    return [*ax.flat] if hasattr(ax, "flat") else [*ax] if isinstance(ax, list | tuple) else [ax]


@contextmanager
def _drawn(axes: Sequence["Axes"], colours: Mapping[str, str]) -> Iterator[None]:
    from fedbytes.plots.own_axes import coloured_by, drawn_into

    with ExitStack() as stack:
        stack.enter_context(coloured_by(colours))
        if axes:
            stack.enter_context(drawn_into(axes))
        yield
