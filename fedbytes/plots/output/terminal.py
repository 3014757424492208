"""The summary for the terminal, one table per setting."""

import re
from collections.abc import Iterator

import pandas as pd
from rich.text import Text

from fedbytes.experiments.config.target import Target
from fedbytes.labels import single_line
from fedbytes.plots.output.fitted_table import FittedTable
from fedbytes.plots.output.summary import summary, summary_text
from fedbytes.plots.tables.store_tables import Tables

_COLUMNS = ("Codec", "Final", "To baseline", "Total", "To target", "Ratio", "Overhead")
_SEEDS = re.compile(r" \((n = \d+)\)")


def summary_tables(tables: Tables, target: Target = None) -> Iterator[FittedTable]:
    """Yield one table per setting; what all its rows share is in the title.

    Raises:
        NothingToDrawError: if no round was evaluated.
    """
    frame = summary(tables, target=target)
    for setting, rows in summary_text(frame).groupby("Setting", sort=False):
        yield _table(str(setting), rows, set(frame.loc[rows.index, "seeds"]))


def _table(setting: str, rows: pd.DataFrame, seeds: set[int]) -> FittedTable:
    final = next(name for name in rows.columns if name.startswith("Final "))
    title = f"{setting}: {final[0].lower()}{final[1:]}, target {rows['Target'].iloc[0]}"
    rows = rows.rename(columns={final: "Final"})
    if len(seeds) == 1:
        title += f", n = {seeds.pop()}"
        rows = rows.assign(Final=rows["Final"].str.replace(_SEEDS, "", regex=True))
    columns = [name for name in _COLUMNS if name in rows.columns]
    table = FittedTable(*columns, title=Text(single_line(title), style="bold"), left=("Codec",))
    for row in rows[columns].itertuples(index=False):
        table.add_row(*(Text(single_line(cell)) for cell in row))
    return table
