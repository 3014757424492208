"""The targets that bytes are counted up to: those declared, the one asked for, or three."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.target_hits import TARGET_ROOM, Hit
from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.constant_answer import read_constant
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.tables.target_bytes import FRACTION, resolve_target
from fedbytes.plots.verdicts.target_ratios import find_hits

_SHARES = (0.95, 0.97)  # of the baseline's final mean, beside the 98 % of `resolve_target`


@dataclass(frozen=True)
class SettledTarget:
    """A target in one setting.

    Attributes:
        value: in the metric's unit.
        source: where it comes from, in words; `given` for an absolute one.
        hollow: whether a constant answer comes near it, so that reaching it shows nothing.
    """

    value: float
    source: str
    hollow: bool = False


def settle_targets(
    comparison: Comparison,
    setting: Setting,
    target: Target = None,
    targets: tuple[Target, ...] = (),
    constant: float | None = None,
) -> list[SettledTarget]:
    """Return the targets of a setting, the hardest last.

    Args:
        comparison: of the methods.
        setting: of it.
        target: the one asked for; it stands alone.
        targets: those that the suite declares, if no other is asked for.
        constant: what always answering alike reaches, where it is known.

    Returns:
        without either, 95, 97 and 98 % of the baseline's final mean.
    """
    asked = (target,) if target is not None else targets
    found = [resolve_target(comparison, setting, one) for one in asked or (None,)]
    if not asked:
        hardest, source = found[0]
        rises = comparison.metric.rises
        whole = hardest / FRACTION if rises else hardest * FRACTION
        eased = [
            (whole * share, source.replace("98 %", f"{share * 100:.0f} %")) if rises
            else (whole / share, source.replace("/ 0.98", f"/ {share:g}"))
            for share in _SHARES
        ]  # fmt: skip
        found = [*eased, *found]
    sign = 1 if comparison.metric.rises else -1
    settled = [
        SettledTarget(
            value, source, constant is not None and sign * (value - constant) < TARGET_ROOM - 1e-12
        )
        for value, source in found
    ]
    return sorted(settled, key=lambda one: sign * one.value)


def read_hits(
    tables: Tables, comparison: Comparison, setting: Setting, goal: SettledTarget
) -> dict[str, dict[int, Hit]]:
    """Return `find_hits` of a target; no run where bytes or the target are no usable numbers."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return find_hits(tables, comparison, setting, goal.value)
    except ValueError:
        return {method: {} for method in comparison.present(setting)}


def hits_by_setting(
    tables: Tables, comparison: Comparison, target: Target | None
) -> Iterator[tuple[Setting, dict[str, dict[int, Hit]]]]:
    """Yield the settings that have a target to speak of, with each method's hits by seed.

    Left out is a setting without a target, and one whose target a constant answer comes near.
    """
    for setting in comparison.settings:
        constant = read_constant(tables, setting, comparison.metric.name)
        goal = settle_targets(comparison, setting, target, (), constant)[-1]
        if not goal.hollow and isfinite(goal.value):
            yield setting, read_hits(tables, comparison, setting, goal)
