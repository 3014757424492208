"""What always answering alike reaches in a setting, as its runs have stored it."""

from math import isfinite

import pandas as pd

from fedbytes.plots.tables.comparison import Setting
from fedbytes.plots.tables.store_tables import Tables, read_mapping


def read_constant(tables: Tables, setting: Setting, metric: str) -> float | None:
    """Return what a constant answer reaches in a setting; None where the runs do not say it.

    It is the largest stored `constant_accuracy`, of a run itself or of its provenance.
    """
    runs = tables.runs
    if metric != "accuracy" or "run" not in runs:
        return None
    mine = runs[runs["run"].isin(set(setting.rows["run"]))]
    found = [
        row.get("constant_accuracy", read_mapping(row.get("provenance")).get("constant_accuracy"))
        for row in mine.to_dict("records")
    ]
    known = pd.to_numeric(pd.Series(found, dtype=object), errors="coerce").dropna()
    return float(known.max()) if len(known) and isfinite(known.max()) else None
