"""The seeds that a verdict on each codec needs, from the spread that a store shows."""

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from fedbytes.plots.inference.paired_tests import LEVEL
from fedbytes.plots.inference.seeds_needed import POWER, bound_sd, compute_power, count_seeds
from fedbytes.plots.inference.variance_components import split_variance
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.crossed_design import (
    average_partitions,
    read_design,
    split_spread,
)
from fedbytes.plots.verdicts.margins import choose_margin
from fedbytes.plots.verdicts.paired_ends import PairedEnds, compare_to_baseline, pair_ends
from fedbytes.plots.verdicts.question import ask
from fedbytes.plots.verdicts.run_ends import RunEnds, read_ends

FEWEST_PAIRS = 3  # for a deviation that says anything
_MEASURED = (
    "sd", "base_sd", "correlation", "paired_sd", "sd_low", "sd_high",
    "seeds", "seeds_holm", "seeds_low", "seeds_high", "power_now",
)  # fmt: skip


def measure_power(
    tables: Tables,
    margin: float | None = None,
    metric: str | None = None,
    baseline: str | None = None,
    final: str | None = None,
    power: float = POWER,
    difference: float = 0.0,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return a row per setting and codec: the seeds that show it non-inferior.

    What is not given is as the store's protocol declares (see `ask`), else as follows.

    Args:
        tables: of a store, such as a pilot's.
        margin: the loss that would matter, in the metric's unit; see `choose_margin` for None.
        metric: a column of the results; the task's headline by default.
        baseline: a codec's label; by default the suite's, or the one that sends fp32 both ways.
        final: `last3`, the default: a run's final value is the mean of its last three evaluations.
        power: the probability that non-inferiority is shown.
        difference: the true one, in which more is better; 0 for as good as the baseline.
        level: of the family.

    Returns:
        setting, codec, n (pairs), metric, margin, baseline, power, difference; unit: what n and the
            seeds needed count, `seeds`, or of a crossed design `partitions`, each trained with as
            many seeds as here.
        sd, base_sd: over seeds, of the codec and of the baseline; correlation: of the two.
        paired_sd: of the differences, with sd_low and sd_high, which hold it with 80 %.
        shared_sd, own_sd: over all codecs of the setting, what a seed gives to all alike and what
            is left; NaN where no two seeds have all codecs.
        partition_sd, training_sd, rest_sd: of the differences of a crossed design, by source.
        seeds: needed for this codec alone; seeds_holm: at Holm's hardest step over the codecs of
            the setting, with seeds_low and seeds_high for the ends of the spread. NaN above 10,000.
        power_now: the probability with the present n, at Holm's hardest step.

    Raises:
        NothingToDrawError: if no run has the metric.
        ValueError: if no codec has three pairs, or as `measure_verdicts`.
    """
    asked = ask(tables, metric, margin, baseline, final=final)
    comparison, base = compare_to_baseline(tables, asked.metric, asked.baseline)
    loss = choose_margin(comparison.metric, asked.margin)
    design, most = read_design(tables), 0
    rows: list[dict[str, Any]] = []
    for setting in comparison.settings:
        ends = read_ends(tables, comparison, setting, asked.final)
        pairs = list(pair_ends(ends, base, comparison.metric))
        units = [average_partitions(pair, design) if design else pair for pair in pairs]
        most = max([most, *(len(unit.seeds) for unit in units)])
        shared = _shared(ends)
        rows += [
            {"setting": setting.title}
            | _needs(unit, loss, power, difference, level, len(pairs))
            | shared
            | vars(split_spread(pair, design))
            for pair, unit in zip(pairs, units, strict=True)
        ]
    what = "partitions" if design else "seeds"
    if most < FEWEST_PAIRS:
        raise ValueError(
            f"power needs at least {FEWEST_PAIRS} {what} that a codec shares with {base!r}, and "
            f"the store has {most}: sweep more {what} first"
        )
    facts = {"metric": comparison.metric.name, "margin": loss, "baseline": base, "unit": what}
    facts |= {"power": power, "difference": difference}
    return pd.DataFrame([row | facts for row in rows])


def _needs(
    pair: PairedEnds, margin: float, power: float, difference: float, level: float, methods: int
) -> dict[str, Any]:
    n, hardest = len(pair.seeds), level / methods
    found: dict[str, Any] = {"codec": pair.codec, "n": n}
    if n < FEWEST_PAIRS:
        return found | dict.fromkeys(_MEASURED, nan)
    own, base = np.array(pair.own), np.array(pair.base)
    sd = float(np.std(pair.differences, ddof=1))
    low, high = bound_sd(sd, n)

    def seeds(deviation: float, at: float) -> float:
        count = count_seeds(deviation, margin, power, difference, at)
        return nan if count is None else count

    varies = own.std() > 0 and base.std() > 0
    return found | {
        "sd": float(own.std(ddof=1)),
        "base_sd": float(base.std(ddof=1)),
        "correlation": float(np.corrcoef(own, base)[0, 1]) if varies else nan,
        "paired_sd": sd,
        "sd_low": low,
        "sd_high": high,
        "seeds": seeds(sd, level),
        "seeds_holm": seeds(sd, hardest),
        "seeds_low": seeds(low, hardest),
        "seeds_high": seeds(high, hardest),
        "power_now": compute_power(n, sd, margin, difference, hardest),
    }


def _shared(ends: dict[str, RunEnds]) -> dict[str, float]:
    """Return the deviations of the seed's part and of the rest, over codecs by seeds."""
    common = set.intersection(*(set(found.values) for found in ends.values()))
    seeds = sorted(common)
    table = np.array([[found.values[seed] for seed in seeds] for found in ends.values()])
    if min(table.shape) < 2 or not np.isfinite(table).all():
        return {"shared_sd": nan, "own_sd": nan}
    found = split_variance(table)
    return {"shared_sd": found.columns**0.5, "own_sd": found.rest**0.5}
