"""The strength of a partitioning scheme against measured heterogeneity."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.method_looks import COLOURS
from fedbytes.plots.style import add_note, make_panels, styled
from fedbytes.plots.tables.statistics import drawn_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, flatten_keys

_NOT_STRENGTH = ("num_clients",)
_NAMES = {"alpha": "α", "sigma": "σ"}


def collect_knob_values(splits: Iterable[tuple[dict[str, Any], int, float]]) -> pd.DataFrame:
    """Return one row per partition whose scheme comes in several strengths.

    Args:
        splits: the partitioner's `{"name": …, **fields}`, the seed and the measured NMI of each.

    Returns:
        columns scheme, field (the first number that differs within the scheme), strength (its
        value), seed and nmi.
    """
    rows: list[dict[str, Any]] = [
        {"scheme": str(spec["name"]), "seed": seed, "nmi": nmi, "fields": flatten_keys(spec)}
        for spec, seed, nmi in splits
    ]
    found = []
    for scheme in dict.fromkeys(row["scheme"] for row in rows):
        group = [row for row in rows if row["scheme"] == scheme]
        field = _varied([row["fields"] for row in group])
        for row in group if field else []:
            found.append(
                {
                    "scheme": scheme,
                    "field": field,
                    "strength": float(row["fields"][field]),
                    "seed": row["seed"],
                    "nmi": row["nmi"],
                }
            )
    return pd.DataFrame(found, columns=["scheme", "field", "strength", "seed", "nmi"])


def field_name(key: str) -> str:
    """Return a field's name as figures write it: `α` for `then.alpha`."""
    last = key.split(".")[-1]
    return _NAMES.get(last, last.replace("_", " "))


def _varied(fields: list[dict[str, Any]]) -> str:
    """Return the first numeric field of which there are several values, or nothing."""
    for key in fields[0]:
        values = [one.get(key) for one in fields]
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if key not in _NOT_STRENGTH and numeric and len(set(values)) > 1:
            return key
    return ""


@styled
def draw_knob_vs_nmi(frame: pd.DataFrame) -> Figure:
    """Draw NMI against the strength of each scheme: every seed, the mean, and its interval.

    Raises:
        NothingToDrawError: if no scheme comes in several collect_knob_values.
    """
    if frame.empty:
        raise NothingToDrawError("no scheme comes in several collect_knob_values")
    schemes = list(dict.fromkeys(frame["scheme"]))
    columns = min(3, len(schemes))
    figure, axes = make_panels(schemes, height=2.1, columns=columns, sharey=True)
    for place, (axis, scheme) in enumerate(zip(axes, schemes, strict=True)):
        rows = frame[frame["scheme"] == scheme]
        color = COLOURS[place % len(COLOURS)]
        points = [
            (float(str(x)), drawn_interval(group["nmi"])) for x, group in rows.groupby("strength")
        ]
        x = [strength for strength, _ in points]
        axis.plot(x, [found.mean for _, found in points], "o-", color=color, markersize=4)
        low = [np.clip(found.low, 0, 1) for _, found in points]
        high = [np.clip(found.high, 0, 1) for _, found in points]
        axis.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        axis.plot(rows["strength"], rows["nmi"], ".", color=color, markersize=2.5, alpha=0.8)
        if min(x) > 0 and max(x) / min(x) >= 8:
            axis.set_xscale("log")
            axis.set_xticks(x, [f"{value:g}" for value in x])
            axis.minorticks_off()
        axis.set_xlabel(field_name(str(rows["field"].iloc[0])))
        axis.set_ylim(0, 1)
    for axis in axes[::columns]:
        axis.set_ylabel("Measured NMI")
    seeds = frame["seed"].nunique()
    words = "one seed" if seeds == 1 else f"{seeds} seeds; line: their mean"
    words += "; band: its 95 % t interval" if seeds >= FEWEST_SEEDS else ""
    add_note(figure, f"Dots: {words}.")
    return figure
