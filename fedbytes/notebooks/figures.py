"""`fedbytes.plot`: one figure of a store."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fedbytes.experiments.config.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    store: str | os.PathLike[str],
    figure: str = "bytes",
    *,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> "Figure":
    """Draw one figure of a folder of runs, such as `fedbytes.plot("runs/quickstart", "pareto")`.

    Args:
        store: the folder of runs.
        figure: its name, as in `fedbytes list figures`.
        metric: a column of the results; the task's headline metric by default.
        target: the metric value that bytes are counted up to; the suite's by default.
        baseline: the codec or label that others are compared with; the suite's by default, or fp32.

    Raises:
        ValueError: for an unknown figure, metric or baseline, and if the store lacks what the
            figure shows.
    """
    from fedbytes.experiments.store.results import stored_target
    from fedbytes.plots import FigureOptions, make_figure, read_tables
    from fedbytes.plots.tables.comparison import check_baseline

    folder = Path(store)
    tables = read_tables(folder)
    check_baseline(tables, baseline)
    wanted = stored_target(folder) if target is None else target
    return make_figure(figure).draw(tables, FigureOptions(metric, wanted, baseline))
