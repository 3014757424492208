"""Bounds of a codec's difference over seeds and test texts, from what each run scored on each."""

from collections.abc import Mapping
from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.plots.inference.text_bootstrap import bootstrap_texts
from fedbytes.plots.tables.comparison import Setting
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.paired_ends import PairedEnds


def mean_scores(tables: Tables, metric: str, final: str) -> dict[str, NDArray[np.float64]]:
    """Return what each run scored on each test text, [texts], over its last evaluations, by run.

    Args:
        tables: of a store; `tables.predictions` says which answers were right.
        metric: only the mean of right answers, accuracy, has scores.
        final: such as `last3`: of how many evaluations.
    """
    rows = tables.predictions
    if metric != "accuracy" or rows.empty:
        return {}
    window = parse_final(final)
    trained = tables.results[tables.results["round"] > 0]
    wanted = trained.groupby("run")["round"].nunique().clip(upper=window)
    return {
        str(run): np.mean(np.stack(list(found["right"].tail(window))), axis=0)
        for run, found in rows.sort_values("round").groupby("run")
        if len(found) >= wanted.get(run, window)  # else they are of fewer than `final` averages
    }


def bound_over_texts(
    setting: Setting,
    ends: PairedEnds,
    baseline: str,
    scores: Mapping[str, ArrayLike] | None,
    level: float,
) -> tuple[float, float]:
    """Return one-sided bounds of codec minus baseline that hold for other seeds and other texts.

    Args:
        setting: of the codec.
        ends: the codec's seeds.
        baseline: the codec that it is compared with.
        scores: [texts] of each run by its id, more is better; old stores have none.
        level: of each bound.

    Returns:
        NaN where a run has no scores, or fewer than two seeds.

    Raises:
        ValueError: if two runs were scored on unlike numbers of texts.
    """
    runs = setting.rows.drop_duplicates("run").set_index(["codec", "seed"])["run"]
    pairs = [(runs[ends.codec, seed], runs[baseline, seed]) for seed in ends.seeds]
    if scores is None or len(pairs) < 2 or any(run not in scores for pair in pairs for run in pair):
        return nan, nan
    sides = [[np.asarray(scores[pair[i]], dtype=np.float64) for pair in pairs] for i in (0, 1)]
    lengths = {one.size for side in sides for one in side}
    if len(lengths) > 1:
        raise ValueError(
            f"runs of {ends.codec!r} and {baseline!r} were scored on unlike numbers of texts: "
            f"{', '.join(map(str, sorted(lengths)))}"
        )
    found = bootstrap_texts(np.stack(sides[0]), np.stack(sides[1]), level)
    return found.low, found.high
