"""Where the bytes went: up, down, catch-up, framing."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from fedbytes.plots.style import (
    PAPER,
    WIDTH,
    format_bytes,
    legend,
    note,
    panels,
    styled,
)
from fedbytes.plots.tables.comparison import study
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

# From dark to light and hatched, so that the parts read in grey too.
PARTS = {
    "up: updates": ("#0072b2", ""),
    "up: metrics": ("#004c77", "...."),
    "down: updates": ("#e69f00", ""),
    "down: whole state": ("#d55e00", "xxxx"),
    "down: catch-up": ("#56b4e9", "////"),
    "framing": ("#dcdcdc", ""),
}
_KINDS = {
    "metrics": "up: metrics",
    "announcement": "up: metrics",
    "catch-up": "down: catch-up",
}


def spending(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return message bytes by run (rows) and part (the columns of `PARTS`).

    Framing is what messages are longer than their payloads; the other parts are payload bytes.
    """
    part = [
        _KINDS.get(kind)
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


@styled
def draw(tables: Tables, metric: str | None = None, baseline: str | None = None) -> Figure:
    """Draw the share of each part of the bytes, by codec, with the total in words.

    Raises:
        NothingToDrawError: if there is no ledger.
    """
    chosen = study(tables, metric, baseline)
    if tables.ledger.empty:
        raise NothingToDrawError("the store has no ledger of messages")
    by_run = spending(tables.ledger)
    figure, axes = panels([s.title for s in chosen.settings], columns=2, sharey=True)
    rows = -(-len(axes) // 2)
    figure.set_size_inches(WIDTH, 1.0 + rows * (0.75 + 0.28 * len(chosen.codecs)))
    for axis, setting in zip(axes, chosen.settings, strict=True):
        codec_of = setting.rows.drop_duplicates("run").set_index("run")["codec"]
        mean = by_run[by_run.index.isin(codec_of.index)].groupby(codec_of).mean()
        for place, codec in enumerate(chosen.codecs):
            if codec in mean.index:
                _bar(axis, place, mean.loc[codec].to_numpy(dtype=float))
        axis.set_yticks(range(len(chosen.codecs)), chosen.codecs)
        axis.set_ylim(len(chosen.codecs) - 0.5, -0.5)
        axis.set_xlim(0, 1)
        axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axis.set_xlabel("Share of message bytes")
        axis.grid(False, axis="y")
    used = [part for part in PARTS if by_run[part].sum() > 0]
    legend(
        figure,
        [Patch(facecolor=PARTS[p][0], hatch=PARTS[p][1], edgecolor=PAPER, label=p) for p in used],
    )
    note(figure, "Right of each bar: total bytes of a run, mean over seeds.")
    return figure


def _bar(axis: Axes, place: int, amounts: NDArray[np.float64]) -> None:
    """Draw the parts of one codec, in the order of `PARTS`, and the total beside them."""
    total = float(amounts.sum())
    left = 0.0
    for amount, (color, hatch) in zip(amounts, PARTS.values(), strict=True):
        share = float(amount) / total if total else 0.0
        axis.barh(
            place,
            share,
            left=left,
            height=0.68,
            color=color,
            hatch=hatch,
            edgecolor=PAPER,
            linewidth=0.5,
        )
        left += share
    axis.annotate(
        format_bytes(total),
        (1.0, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        annotation_clip=False,
    )
