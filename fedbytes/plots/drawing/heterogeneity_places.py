"""Each method in each setting: its final value, its bytes to the target, and their bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
import pandas as pd

from fedbytes.plots.inference.bytes_ratio import geometric_mean
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.inference.target_hits import Hit
from fedbytes.plots.number_axis import drawn_values
from fedbytes.plots.store_figure import FigureOptions
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.target_choice import hits_by_setting
from fedbytes.plots.verdicts.target_ratios import compare_hits


@dataclass(frozen=True)
class MethodInSetting:
    """A quantity of one method in one setting.

    Attributes:
        scheme: the partitioner, within which settings are joined.
        value: the estimate, or the bound; NaN where runs that are censored allow neither.
        seeds: what is shown of each run: a value, and `above` or `below` where it is a bound.
        bound: `above` or `below`, where the value is a bound and no estimate.
    """

    method: str
    scheme: str
    setting: str
    nmi: float
    value: float
    low: float = nan
    high: float = nan
    seeds: tuple[tuple[float, str], ...] = ()
    bound: str = ""

    @property
    def estimated(self) -> bool:
        """Whether a line may go through it."""
        return isfinite(self.value) and not self.bound


def _scheme(setting: Setting) -> str:
    return str(setting.keys.get("partition", ""))


def average_values(
    comparison: Comparison, frame: pd.DataFrame, column: str, scale: float
) -> list[MethodInSetting]:
    """Return the mean over seeds in each setting, with its interval from five seeds on."""
    found = []
    for setting in comparison.settings:
        for method in comparison.present(setting):
            rows = frame[(frame["setting"] == setting.title) & (frame["codec"] == method)]
            values = drawn_values(rows[column], scale)
            values = values[np.isfinite(values)]
            if not values.size or (column == "difference" and method == comparison.baseline):
                continue
            seen = t_interval(values)
            few = values.size < FEWEST_SEEDS
            found.append(
                MethodInSetting(
                    method,
                    _scheme(setting),
                    setting.title,
                    setting.heterogeneity,
                    seen.mean,
                    nan if few else seen.low,
                    nan if few else seen.high,
                    tuple((value, "") for value in values) if few else (),
                )
            )
    return found


def average_bytes(
    tables: Tables, comparison: Comparison, options: FigureOptions
) -> tuple[list[MethodInSetting], list[MethodInSetting]]:
    """Return bytes to the target, and ratios to the baseline; bounds where runs miss it.

    A setting whose target is too easy has places without a value, at which lines stop.
    """
    needed, ratios = [], []
    shown = set()
    for setting, hits in hits_by_setting(tables, comparison, options.target):
        shown.add(setting.title)
        base = hits.get(comparison.baseline or "", {})
        for method, own in hits.items():
            if not own:
                continue
            at = (method, _scheme(setting), setting.title, setting.heterogeneity)
            needed.append(_needed(at, list(own.values())))
            ratio = None if method == comparison.baseline else compare_hits(own, base)
            if ratio is not None:
                bound = ratio.bound if ratio.bound in ("above", "below") else ""
                known = [(value, _SIDES[sign]) for sign, value in ratio.seeds if sign in _SIDES]
                ends = (ratio.ratio, ratio.low, ratio.high)
                seeds = () if bound else _worth_showing(known)
                ratios.append(MethodInSetting(*at, *ends, seeds, bound))
    gaps = [
        MethodInSetting(method, _scheme(setting), setting.title, setting.heterogeneity, nan)
        for setting in comparison.settings
        for method in comparison.present(setting)
        if shown and setting.title not in shown
    ]
    paired = [place for place in gaps if ratios and place.method != comparison.baseline]
    return [*needed, *gaps], [*ratios, *paired]


_SIDES = {"=": "", "<": "below", ">": "above"}
_RUNS = {"between": "", "at once": "below", "missed": "above"}


def _needed(at: tuple[str, str, str, float], hits: Sequence[Hit]) -> MethodInSetting:
    """Return the bytes to the target; a bound where no run, or each at once, reaches it."""
    runs = [(hit.bytes, _RUNS[hit.kind]) for hit in hits]
    bounds = {bound for _, bound in runs}
    if len(bounds) == 1 and "" not in bounds:
        mean = float(np.exp(np.mean([np.log(hit.bytes) for hit in hits])))
        return MethodInSetting(*at, mean, bound=bounds.pop())
    return MethodInSetting(*at, geometric_mean(hits), seeds=_worth_showing(runs))


def _worth_showing(runs: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Return the runs where they are few or some are bounds, which a mean would hide."""
    if len(runs) < FEWEST_SEEDS or any(bound for _, bound in runs):
        return tuple(runs)
    return ()
