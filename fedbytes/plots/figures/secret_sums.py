from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fedbytes.plots.drawing.codec_rows import label_rows, row_height, write_beside
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.figures.bytes_by_kind import PARTS, SECRET_KINDS, sum_bytes_by_part
from fedbytes.plots.method_looks import PAPER
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    make_panels,
    set_size,
)
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_SEEN = 0.001  # of the longest bar: a part that no bar shows has no place in the legend


@FIGURES.register("secret_sums")
@dataclass(frozen=True)
class SecretSums(StoreFigure):
    """Message bytes of a run by kind, of sums that are masked or encrypted beside plain ones."""

    title = "What sums in secret cost"
    caption = (
        "Payload bytes of a run by kind of message, and the framing around them, where masks or "
        "ciphertexts hide what each client sends."
    )
    order = 71
    shows_metric = False

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        if tables.ledger.empty or not tables.ledger["kind"].isin(SECRET_KINDS).any():
            raise NothingToDrawError("no run masks or encrypts: set privacy to secagg or he")
        by_run = sum_bytes_by_part(tables.ledger)
        names, means = _mean_bytes(comparison, by_run)
        figure, (axis,) = make_panels([""], columns=1)
        set_size(figure, 1.3 + row_height(names) * 1.15 * len(names))
        longest = max(float(amounts.sum()) for amounts in means)
        for row, amounts in enumerate(means):
            _draw_parts(axis, row, amounts)
        label_rows(axis, names)
        axis.grid(False, axis="y")
        axis.set_xlabel("Message bytes of a run, all clients")
        axis.set_xlim(0, 1.15 * longest)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_bytes(value)))
        used = [part for part in PARTS if by_run[part].max() > _SEEN * longest]
        add_legend(
            figure,
            [
                Patch(facecolor=PARTS[p][0], hatch=PARTS[p][1], edgecolor=PAPER, label=p)
                for p in used
            ],
        )
        add_headline(figure, describe_runs(tables, comparison))
        add_note(figure, "Bars: mean over seeds.")
        return figure


def _mean_bytes(
    comparison: Comparison, by_run: pd.DataFrame
) -> tuple[list[str], list[NDArray[np.float64]]]:
    """Return the name and the mean bytes by part of each codec of each setting that has it.

    Privacy tells settings apart; a codec that is in several has its setting in its name.
    """
    names, means = [], []
    several = Counter(codec for s in comparison.settings for codec in comparison.present(s))
    for codec in comparison.codecs:
        for setting in comparison.settings:
            runs = setting.rows.loc[setting.rows["codec"] == codec, "run"].unique()
            found = by_run[by_run.index.isin(runs)]
            if len(found):
                names.append(codec if several[codec] == 1 else f"{codec}\n{setting.title}")
                means.append(found[list(PARTS)].mean().to_numpy(dtype=float))
    return names, means


def _draw_parts(axis: Axes, row: int, amounts: NDArray[np.float64]) -> None:
    """Draw the parts of a run one behind the other, and their sum in words."""
    starts = np.cumsum(amounts) - amounts
    for start, amount, (color, hatch) in zip(starts, amounts, PARTS.values(), strict=True):
        axis.barh(
            row,
            amount,
            left=start,
            height=0.68,
            color=color,
            hatch=hatch,
            edgecolor=PAPER,
            linewidth=0.4,
        )
    write_beside(axis, format_bytes(amounts.sum()), (amounts.sum(), row), 3)
