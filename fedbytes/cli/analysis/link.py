"""`fedbytes link`: how long a store's runs would have taken over a link, and which codec pays."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from fedbytes.cli.options import Plugins, Store
from fedbytes.cli.plot import Baseline, MetricOption, TargetOption
from fedbytes.cli.terminal.screen import Screen, say, warn
from fedbytes.labels import single_line
from fedbytes.plots.output.fitted_table import FittedTable

if TYPE_CHECKING:
    import pandas as pd

    from fedbytes.plots.link_time.link import NetworkLink

_PRESETS = "adsl,4g,fibre"


def link(
    store: Store,
    up: Annotated[float | None, typer.Option(help="Mbit/s from a client to the server.")] = None,
    down: Annotated[float | None, typer.Option(help="Mbit/s from the server to a client.")] = None,
    rtt: Annotated[float, typer.Option(help="Milliseconds of a round trip, with --up.")] = 0.0,
    links: Annotated[
        str, typer.Option(help="Named links, without --up: adsl, 4g, fibre, lorawan, datacentre.")
    ] = _PRESETS,
    server: Annotated[
        float, typer.Option(help="Mbit/s of the server for all clients together.")
    ] = math.inf,
    rates: Annotated[
        Path | None,
        typer.Option(help="CSV with client,up,down and optionally rtt, for clients of their own."),
    ] = None,
    slower: Annotated[
        float, typer.Option(help="How much slower clients compute than the machine of the runs.")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder; STORE/figures by default.", file_okay=False)
    ] = None,
    target: TargetOption = None,
    metric: MetricOption = None,
    baseline: Baseline = None,
    plugin: Plugins = None,
) -> None:
    """Say how long runs would have taken over a link, from their recorded messages and seconds."""
    from fedbytes.cli.plot import read_target, tables_of
    from fedbytes.plots.link_time.client_rates import read_rates
    from fedbytes.plots.link_time.computing_seconds import shared_seconds_note
    from fedbytes.plots.link_time.hours_figure import draw_hours
    from fedbytes.plots.link_time.link_table import compare_over_links, link_table
    from fedbytes.plots.style import save_figure
    from fedbytes.plots.tables.csv_text import csv_text

    if not 0 < slower < math.inf:
        raise ValueError(f"--slower must be above 0, got {slower:g}")
    chosen = _links(up, down, rtt, links, server)
    tables, folder = tables_of(store, baseline), out or store / "figures"
    own = {} if rates is None else read_rates(rates)
    over = compare_over_links(tables, chosen, metric, baseline, slower, own)
    rows = link_table(tables, over, read_target(store, target))
    warn(shared_seconds_note(tables))
    console = Screen()
    for one in chosen:
        name = one.name or str(one)
        for setting, part in rows[rows["link"] == name].groupby("setting", sort=False):
            console.print(_table(str(one), str(setting), part))
    paths = save_figure(draw_hours(over), folder, "hours")
    paths.append(folder / "link.csv")
    paths[-1].write_text(csv_text(rows, "%.5g"), encoding="utf-8")
    say(*paths)


def _links(
    up: float | None, down: float | None, rtt: float, names: str, server: float
) -> "list[NetworkLink]":
    from fedbytes.plots.link_time.link import NetworkLink, make_links

    if (up is None) != (down is None):
        raise ValueError("give --up and --down together, in Mbit/s")
    if up is not None and down is not None:
        named = {"--up": up, "--down": down, "--server": server}
        for option, value in named.items():
            if not value > 0:
                raise ValueError(f"{option} must be Mbit/s above 0, got {value:g}")
        return [NetworkLink("", up, down, rtt, server)]
    if rtt:
        raise ValueError("--rtt goes with --up and --down; named links have their own")
    return [one.at(server=server) for one in make_links(names)]


def _table(link: str, setting: str, rows: "pd.DataFrame") -> FittedTable:
    from fedbytes.plots.link_time.link_table import show_seconds

    title = single_line(f"{link} · {setting}" if setting else link)
    heads = ("Codec", "A round", "All rounds", "To target", "Reached", "Pays below")
    table = FittedTable(*heads, title=Text(title, style="bold"), left=("Codec",))
    for row in rows.to_dict("records"):
        table.add_row(
            single_line(row["codec"]),
            show_seconds(row["seconds_per_round"]),
            show_seconds(3600 * row["hours"]),
            show_seconds(3600 * row["hours_to_target"]),
            f"{row['reached']} of {row['runs']}",
            _rate(row["break_even_mbit"]),
        )
    return table


def _rate(mbit: float) -> str:
    if math.isnan(mbit):
        return "–"
    if math.isinf(mbit):
        return "any rate"
    return "never" if mbit == 0 else f"{mbit:.3g} Mbit/s"
