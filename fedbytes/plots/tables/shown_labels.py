"""The labels of methods as figures show them: with their rate, short, drawable, no two alike."""

from dataclasses import replace

import pandas as pd

from fedbytes.plots.own_axes import own_axes
from fedbytes.plots.shown_text import distinct
from fedbytes.plots.style import label_width
from fedbytes.plots.tables.declared_protocol import DeclaredProtocol
from fedbytes.plots.tables.method_rates import add_rate, measure_rates
from fedbytes.plots.tables.store_tables import Tables


def shorten_labels(tables: Tables) -> tuple[Tables, dict[str, str]]:
    """Return tables for a figure, whose codecs have names that fit, and these names by label.

    Tables and report keep the labels whole.
    """
    if "codec" not in tables.results:
        return tables, {}
    rates = {} if own_axes() else measure_rates(tables.results)  # there the caller's words stand
    labels = list(dict.fromkeys(map(str, tables.results["codec"])))
    rated = {label: add_rate(label, rates.get(label)) for label in labels}
    short = distinct(rated.values(), label_width())
    names = {label: short[name] for label, name in rated.items()}
    if len(set(names.values())) < len(names):  # a label that another one has with its rate
        names = distinct(labels, label_width())
    if all(label == name for label, name in names.items()):
        return tables, names
    baseline = None if tables.baseline is None else names.get(tables.baseline, tables.baseline)
    return replace(
        tables,
        results=tables.results.assign(codec=tables.results["codec"].astype(str).map(names)),
        runs=_renamed(tables, names),
        baseline=baseline,
        declared=_renamed_protocol(tables.declared, names),
        order=tuple(names.get(label, label) for label in tables.order),
    ), names


def _renamed(tables: Tables, names: dict[str, str]) -> pd.DataFrame:
    """Return the table of runs, in which failed ones are looked up by their method's name."""
    changed = {
        column: tables.runs[column].map(lambda label: names.get(label, label))
        for column in ("codec", "label")
        if column in tables.runs
    }
    return tables.runs.assign(**changed)


def _renamed_protocol(
    declared: DeclaredProtocol | None, names: dict[str, str]
) -> DeclaredProtocol | None:
    """Return the protocol with its baseline as the figure calls it."""
    if declared is None or declared.protocol.baseline is None:
        return declared
    shown = names.get(declared.protocol.baseline, declared.protocol.baseline)
    return replace(declared, protocol=declared.protocol.model_copy(update={"baseline": shown}))
