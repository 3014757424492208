from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from fedbytes.plots.canvas import canvas
from fedbytes.plots.drawing.codec_rows import label_rows, settings_that_fit, write_beside
from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.method_looks import COLOURS, PAPER
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

# From dark to light and hatched, so that the parts read in grey too.
PARTS = {
    "up: updates": (COLOURS[0], ""),
    "up: metrics": (COLOURS[1], "...."),
    "up: keys and shares": (COLOURS[1], "xxxx"),
    "up: texts": (COLOURS[2], ""),
    "down: updates": (COLOURS[4], ""),
    "down: keys and shares": (COLOURS[5], "...."),
    "down: whole state": (COLOURS[3], "xxxx"),
    "down: catch-up": (COLOURS[5], "////"),
    "down: trusted examples": (COLOURS[2], "....."),
    "framing": ("#dcdcdc", ""),
}
_SEEN = 0.005  # of a run's bytes: a part that no bar shows has no place in the legend
SECRET_KINDS = ("masked", "ciphertext")
_KEYS = ("public-key", "keys", "shares", "survivors", "unmask", "key")
_KINDS = {
    "metrics": "up: metrics",
    "announcement": "up: metrics",
    "evaluation": "up: metrics",
    "texts": "up: texts",
    "catch-up": "down: catch-up",
    "root": "down: trusted examples",
}


@FIGURES.register("spending")
@dataclass(frozen=True)
class BytesByKind(StoreFigure):
    """Shares of the message bytes, up, down, catch-up and framing, and the total in words."""

    title = "Where the bytes went"
    caption = "Payload bytes by kind of message, and the framing around them."
    order = 70
    appendix = True
    shows_metric = False

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have their bars on one page, two beside each other."""
        return 2 * settings_that_fit(comparison.codecs, 0.9)

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric, options.baseline)
        if tables.ledger.empty:
            raise NothingToDrawError("the store has no ledger of messages")
        by_run = sum_bytes_by_part(tables.ledger)
        columns = fit_columns(len(comparison.settings), 2, least=3.3)
        figure, axes = make_panels(
            [s.title for s in comparison.settings],
            columns=columns,
            title_width=canvas().width / columns - 1.6,
            sharey=True,
        )
        rows = -(-len(axes) // columns)
        above = 0.75 + extra_height([axis.get_title() for axis in axes])
        set_size(figure, 1.0 + rows * (above + 0.28 * len(comparison.codecs)))
        for axis, setting in zip(axes, comparison.settings, strict=True):
            codec_of = setting.rows.drop_duplicates("run").set_index("run")["codec"]
            mean = by_run[by_run.index.isin(codec_of.index)].groupby(codec_of).mean()
            for row, codec in enumerate(comparison.codecs):
                if codec in mean.index:
                    _bar(axis, row, mean.loc[codec].to_numpy(dtype=float))
            label_rows(axis, comparison.codecs)
            axis.set_xlim(0, 1)
            axis.set_xticks([0, 0.5, 1])
            axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
            axis.set_xlabel("Share of message bytes")
            axis.grid(False, axis="y")
        shares = by_run.div(by_run.sum(axis=1), axis=0)
        used = [part for part in PARTS if shares[part].max() > _SEEN]
        add_legend(
            figure,
            [
                Patch(facecolor=PARTS[p][0], hatch=PARTS[p][1], edgecolor=PAPER, label=p)
                for p in used
            ],
        )
        add_headline(figure, describe_runs(tables, comparison))
        words = "Right of each bar: total bytes of a run, mean over seeds."
        if "down: catch-up" in used:
            words += " Catch-up: what a client missed, or the whole state where that is shorter."
        add_note(figure, words)
        return figure


def sum_bytes_by_part(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return message bytes by run (rows) and part (the columns of `PARTS`).

    Framing is what messages are longer than their payloads; the other parts are payload bytes.
    """
    part = [
        (f"{way}: keys and shares" if kind in _KEYS else _KINDS.get(kind))
        or (
            "up: updates"
            if way == "up"
            else "down: whole state"
            if kind in ("state", "seed")
            else "down: updates"
        )
        for way, kind in zip(ledger["direction"], ledger["kind"], strict=True)
    ]
    table = ledger.assign(part=part).pivot_table(
        index="run", columns="part", values="payload_bytes", aggfunc="sum", fill_value=0
    )
    framing = ledger["message_bytes"] - ledger["payload_bytes"]
    table["framing"] = framing.groupby(ledger["run"]).sum()
    return table.reindex(columns=list(PARTS), fill_value=0).astype(float)


def _bar(axis: Axes, row: int, amounts: NDArray[np.float64]) -> None:
    """Draw the parts of one codec, in the order of `PARTS`, and the total next to them."""
    total = float(amounts.sum())
    left = 0.0
    for amount, (color, hatch) in zip(amounts, PARTS.values(), strict=True):
        share = float(amount) / total if total else 0.0
        axis.barh(
            row,
            share,
            left=left,
            height=0.68,
            color=color,
            hatch=hatch,
            edgecolor=PAPER,
            linewidth=0.5,
        )
        left += share
    write_beside(axis, format_bytes(total), (1.0, row), 4, annotation_clip=False)
