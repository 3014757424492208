"""Every figure and table of a store, drawn and written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from fedbytes.experiments.config.target import Target
from fedbytes.plots.figures import (
    bytes_by_kind,
    bytes_to_target,
    client_holdings,
    curves,
    differences,
    heterogeneity,
    pareto,
)
from fedbytes.plots.style import save
from fedbytes.plots.tables.comparison import metrics_in
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.tables.summary import summary, to_csv, to_latex, to_markdown


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure of a metric, its file name, and the sentence that a report prints with it."""

    name: str
    metric: str
    title: str
    caption: str
    figure: Figure


def drawings(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> Iterator[Drawing]:
    """Yield every figure that the tables have data for.

    Args:
        tables: the store's tables.
        metric: a column of the results; by default each kind of task's headline metric, with the
            metric in the file names if there are several.
        target: for bytes to target, in the metric's unit; by default 98 % of the baseline.
        baseline: a codec's label; by default what sends fp32 both ways.

    Raises:
        NothingToDrawError: if no round was evaluated.
    """
    metrics = [metric] if metric else [found.name for found in metrics_in(tables)]
    for chosen in metrics:
        suffix = f"-{chosen}" if len(metrics) > 1 else ""
        for name, title, caption, draw in _figures(tables, chosen, target, baseline):
            try:
                figure = draw()
            except NothingToDrawError:
                continue
            yield Drawing(name + suffix, chosen, title, caption, figure)


def draw_all(
    tables: Tables,
    folder: str | Path,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> list[Path]:
    """Write every figure as SVG, PDF and PNG, and the summary as Markdown, LaTeX and CSV.

    Arguments are those of `drawings`. Returns the paths that were written.

    Raises:
        NothingToDrawError: if no round was evaluated.
    """
    target_folder = Path(folder)
    paths = []
    for drawing in drawings(tables, metric, target, baseline):
        paths += save(drawing.figure, target_folder, drawing.name)
    metrics = [metric] if metric else [found.name for found in metrics_in(tables)]
    for chosen in metrics:
        suffix = f"-{chosen}" if len(metrics) > 1 else ""
        frame = summary(tables, chosen, target, baseline)
        texts = {"md": to_markdown(frame), "tex": to_latex(frame), "csv": to_csv(frame)}
        for ending, text in texts.items():
            path = target_folder / f"summary{suffix}.{ending}"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        paths += _write_slopes(tables, target_folder, chosen, suffix, target, baseline)
    return paths


def _write_slopes(
    tables: Tables,
    folder: Path,
    metric: str,
    suffix: str,
    target: Target,
    baseline: str | None,
) -> list[Path]:
    """Write the lines of the figure `heterogeneity` as a table, if there is that figure."""
    try:
        frame = heterogeneity.slopes(heterogeneity.points(tables, metric, target, baseline))
    except NothingToDrawError:
        return []
    path = folder / f"heterogeneity{suffix}.csv"
    frame.to_csv(path, index=False, float_format="%.5g")
    return [path]


def _figures(
    tables: Tables, metric: str, target: Target, baseline: str | None
) -> list[tuple[str, str, str, Callable[[], Figure]]]:
    word = metric.replace("_", "-")
    return [
        (
            "bytes",
            f"{word.capitalize()} against bytes",
            "How good the model is for what was sent so far. Further left at equal height is "
            "cheaper.",
            lambda: curves.draw_against_bytes(tables, metric, baseline),
        ),
        (
            "pareto",
            "What each codec ends with",
            "Final value against total bytes. No other codec is both as good and cheaper than "
            "one on the dashed front.",
            lambda: pareto.draw(tables, metric, baseline),
        ),
        (
            "target",
            "Bytes to the target",
            "Cumulative bytes at the first evaluated round that reaches the target.",
            lambda: bytes_to_target.draw(tables, metric, target, baseline),
        ),
        (
            "differences",
            "Paired differences",
            "Runs of one seed share data, clients, initial weights and batches, so they are "
            "compared with each other before they are averaged.",
            lambda: differences.draw(tables, metric, target, baseline),
        ),
        (
            "heterogeneity",
            "What clients that differ cost",
            "Final value and bytes to the target against the measured heterogeneity of each run's "
            "own partition. A slope of the paired difference says whether a codec loses more "
            "where data differ more.",
            lambda: heterogeneity.draw(tables, metric, target, baseline),
        ),
        (
            "rounds",
            f"{word.capitalize()} against rounds",
            "The same runs with bytes left out: what a codec costs in progress per round.",
            lambda: curves.draw_against_rounds(tables, metric, baseline),
        ),
        (
            "spending",
            "Where the bytes went",
            "Payload bytes by kind of message, and the framing around them.",
            lambda: bytes_by_kind.draw(tables, metric, baseline),
        ),
        (
            "partition",
            "Who holds what",
            "Examples of each category on each client.",
            lambda: client_holdings.draw(tables, metric),
        ),
    ]
