from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.holdings_map import draw_holdings_map
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import add_headline, add_note
from fedbytes.plots.tables.comparison import Comparison, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables, read_mapping


@FIGURES.register("partition")
@dataclass(frozen=True)
class ClientHoldings(StoreFigure):
    """One partition of each setting, as a heat map of each client's shares.

    Attributes:
        seed: whose partition to draw; by default the smallest stored.
    """

    seed: int | None = None

    title = "Who holds what"
    caption = "The share of each category on each client, and above it the client's examples."
    order = 80
    appendix = True
    shows_metric = False

    def settings_on_page(self, comparison: Comparison, options: FigureOptions) -> int:  # noqa: ARG002
        """Return as many as have a legible panel."""
        return 6

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        comparison = compare_codecs(tables, options.metric)
        tables_by_title: dict[str, pd.DataFrame] = {}
        seeds = set()
        for setting in comparison.settings:
            rows = setting.rows[setting.rows["run"].isin(tables.partitions["run"])]
            rows = rows if self.seed is None else rows[rows["seed"] == self.seed]
            if not rows.empty:
                first = rows.sort_values(["seed", "run"]).iloc[0]
                held = tables.partitions[tables.partitions["run"] == first["run"]]
                tables_by_title[setting.title] = _counts(held, _clients(tables, str(first["run"])))
                seeds.add(int(first["seed"]))
        if not tables_by_title:
            raise NothingToDrawError("the store has no partition to draw")
        figure = draw_holdings_map(tables_by_title)
        add_headline(figure, describe_runs(tables, comparison))
        add_note(
            figure,
            f"Partition of seed {', '.join(map(str, sorted(seeds)))}. Above: examples of a client. "
            "Below: dark is all of its examples.",
        )
        return figure


def _clients(tables: Tables, run: str) -> int:
    """Return how many clients a run's configuration has, 0 if it is not stored."""
    if "config" not in tables.runs:
        return 0
    config = tables.runs.loc[tables.runs["run"] == run, "config"]
    partition = read_mapping(read_mapping(config.iloc[0]).get("partition")) if len(config) else {}
    count = partition.get("num_clients")
    return count if isinstance(count, int) else 0  # "all": as many as hold something


def _counts(held: pd.DataFrame, clients: int) -> pd.DataFrame:
    """Return examples by client (rows, empty ones too) and category (most frequent first)."""
    counts = held.pivot_table(
        index="client", columns="category", values="examples", aggfunc="sum", fill_value=0
    )
    counts = counts.reindex(range(max(clients, int(held["client"].max()) + 1)), fill_value=0)
    totals = counts.sum().sort_values(ascending=False, kind="stable")
    counts = counts[totals[totals > 0].index]
    if "client_name" not in held or held["client_name"].isna().all():
        return counts
    names = held.drop_duplicates("client").set_index("client")["client_name"]
    return counts.set_axis([str(names.get(client, "")) for client in counts.index], axis="index")
