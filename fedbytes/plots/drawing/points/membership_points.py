"""What audits of membership and of canaries found, as figures draw it."""

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fedbytes.plots.tables.statistics import Interval, t_interval
from fedbytes.plots.tables.store_tables import read_mapping

_AREA = "auc_"
_EXPOSURE = re.compile(r"exposure_(\d+)")


@dataclass(frozen=True)
class MembershipLook:
    """An audit of membership and what it looked at.

    Attributes:
        column: the end of its columns, such as `calibrated_model`.
        rates: of false alarms that were measured, ascending.
    """

    column: str
    rates: tuple[float, ...]

    @property
    def title(self) -> str:
        """The words of a panel."""
        audit, of = self.column.rsplit("_", 1)
        return f"{audit.replace('_', ' ')}, of {'messages' if of == 'message' else f'the {of}'}"

    def hits(self, rows: pd.DataFrame) -> list[Interval]:
        """Return the share of members found at each rate, over the last rounds of runs."""
        return [t_interval(rows[f"tpr_{self.column}_{rate:g}"]) for rate in self.rates]

    def area(self, rows: pd.DataFrame) -> Interval:
        """Return the AUC over the last rounds of runs."""
        return t_interval(rows[f"{_AREA}{self.column}"])


def membership_looks(rows: pd.DataFrame) -> list[MembershipLook]:
    """Return what audits of membership looked at, by name; the rates that any run measured."""
    found = []
    for name in sorted(map(str, rows)):
        if not name.startswith(_AREA) or rows[name].notna().sum() == 0:
            continue
        start = f"tpr_{name.removeprefix(_AREA)}_"
        measured = [
            float(other.removeprefix(start))
            for other in map(str, rows)
            if other.startswith(start) and rows[other].notna().any()
        ]
        if measured:
            found.append(MembershipLook(name.removeprefix(_AREA), tuple(sorted(measured))))
    return found


def exposure_repeats(rows: pd.DataFrame) -> list[int]:
    """Return how often canaries were planted whose exposure was measured, ascending."""
    found = [_EXPOSURE.fullmatch(str(name)) for name in rows if rows[name].notna().any()]
    return sorted(int(match[1]) for match in found if match)


def last_measured(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the last row of each run in which a column was measured."""
    kept = rows[rows[column].notna()]
    return kept.loc[kept.groupby("run")["round"].idxmax()] if len(kept) else kept


def promised(
    rows: pd.DataFrame, runs: pd.DataFrame, of_messages: bool = False
) -> tuple[float, float] | None:
    """Return the (epsilon, delta) that bounds what an audit of texts finds in some rows.

    That is the largest of their runs, None where some of them promise none: what they share is then
    nothing. A client with a text and the same client without it are one in the place of another: a
    promise of that relation (`replace-one`, which `where: local` always is) bounds the audit as it
    stands, one of `add/remove` as (2 ε, (1 + e^ε) δ), as one client goes and another comes. A
    promise to each text (which says `where: local`, too) bounds it as it stands, as a text more or
    less is what it is of. Of messages only noise that each client adds itself promises anything.
    """
    if "epsilon" not in rows or "config" not in runs or rows["epsilon"].isna().any():
        return None
    configs = runs[runs["run"].isin(set(rows["run"]))]["config"]
    mechanisms = [
        mechanism
        for config in configs
        for mechanism in map(read_mapping, read_mapping(config).get("privacy") or ())
        if mechanism.get("delta") is not None
    ]
    local = all(mechanism.get("where") == "local" for mechanism in mechanisms)
    epsilon = float(rows["epsilon"].max())
    if not mechanisms or not np.isfinite(epsilon) or (of_messages and not local):
        return None
    delta = max(float(mechanism["delta"]) for mechanism in mechanisms)
    relations = set(rows["relation"]) if "relation" in rows else set()
    if local or relations == {"replace-one"}:
        return epsilon, delta
    return 2 * epsilon, (1 + math.exp(epsilon)) * delta
