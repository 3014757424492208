from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.codec_rows import label_rows, settings_that_fit, write_beside
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.figures.bytes_by_kind import PARTS, SECRET_KINDS, sum_bytes_by_part
from fedbytes.plots.method_looks import PAPER
from fedbytes.plots.number_words import format_bytes
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    extra_height,
    fit_columns,
    make_panels,
    set_size,
)
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_SEEN = 0.003  # of the longest bar: a part that no bar shows has no place in the legend


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

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have their bars on one page, two beside each other."""
        return 2 * settings_that_fit(comparison.codecs, 0.9)

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        if tables.ledger.empty or not tables.ledger["kind"].isin(SECRET_KINDS).any():
            raise NothingToDrawError("no run masks or encrypts: set privacy to secagg or he")
        by_run = sum_bytes_by_part(tables.ledger)
        columns = fit_columns(len(comparison.settings), 2, least=3.3)
        figure, axes = make_panels(
            [s.title for s in comparison.settings],
            columns=columns,
            title_width=canvas().width / columns - 1.6,
            sharey=True,
        )
        above = 0.75 + extra_height([axis.get_title() for axis in axes])
        lines = -(-len(axes) // columns)
        set_size(figure, 1.2 + lines * (above + 0.28 * len(comparison.codecs)))
        longest = 0.0
        for axis, setting in zip(axes, comparison.settings, strict=True):
            codec_of = setting.rows.drop_duplicates("run").set_index("run")["codec"]
            mean = by_run[by_run.index.isin(codec_of.index)].groupby(codec_of).mean()
            longest = max([longest, *mean.sum(axis=1)])
            for row, codec in enumerate(comparison.codecs):
                if codec not in mean.index:
                    continue
                amounts = mean.loc[codec, list(PARTS)].to_numpy(dtype=float)
                starts = np.cumsum(amounts) - amounts
                for start, amount, (color, hatch) in zip(
                    starts, amounts, PARTS.values(), strict=True
                ):
                    axis.barh(row, amount, left=start, height=0.68, color=color, hatch=hatch,
                              edgecolor=PAPER, linewidth=0.4)  # fmt: skip
                write_beside(axis, format_bytes(amounts.sum()), (amounts.sum(), row), 3)
            label_rows(axis, comparison.codecs)
            axis.grid(False, axis="y")
            axis.set_xlabel("Message bytes of a run, all clients")
        for axis in axes:
            axis.set_xlim(0, 1.22 * longest)
            axis.xaxis.set_major_locator(MaxNLocator(3))
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
