"""The labels of methods as figures show them: short, drawable and no two alike."""

from dataclasses import replace

from fedbytes.plots.shown_text import distinct
from fedbytes.plots.style import LABEL_WIDTH
from fedbytes.plots.tables.store_tables import Tables


def shorten_labels(tables: Tables) -> tuple[Tables, dict[str, str]]:
    """Return tables for a figure, whose codecs have names that fit, and these names by label.

    Tables and report keep the labels whole.
    """
    if "codec" not in tables.results:
        return tables, {}
    names = distinct(tables.results["codec"], LABEL_WIDTH)
    if all(label == name for label, name in names.items()):
        return tables, names
    results = tables.results.assign(codec=tables.results["codec"].astype(str).map(names))
    baseline = None if tables.baseline is None else names.get(tables.baseline, tables.baseline)
    declared = tables.declared
    if declared is not None and declared.protocol.baseline is not None:
        shown = names.get(declared.protocol.baseline, declared.protocol.baseline)
        protocol = declared.protocol.model_copy(update={"baseline": shown})
        declared = replace(declared, protocol=protocol)
    return replace(tables, results=results, baseline=baseline, declared=declared), names
