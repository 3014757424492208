"""A verdict for each codec of each setting of a store."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd
from numpy.typing import ArrayLike

from fedbytes.experiments.config.target import Target
from fedbytes.plots.inference.paired_tests import LEVEL, PairedTests
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.inference.sign_flips import flip_signs
from fedbytes.plots.inference.verdict_words import Verdict, decide
from fedbytes.plots.tables.comparison import Metric, Setting
from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.verdicts.crossed_design import (
    SplitSpread,
    judge_pairs,
    read_design,
    split_spread,
)
from fedbytes.plots.verdicts.margins import choose_margin
from fedbytes.plots.verdicts.paired_ends import PairedEnds, compare_to_baseline, pair_ends
from fedbytes.plots.verdicts.question import ask
from fedbytes.plots.verdicts.run_ends import read_ends
from fedbytes.plots.verdicts.target_columns import describe_targets
from fedbytes.plots.verdicts.text_bounds import bound_over_texts, mean_scores

HolmFamily: TypeAlias = Literal["setting", "store"]


@dataclass(frozen=True)
class _Row:
    """One codec in one setting, before its family's verdicts are known."""

    setting: Setting
    ends: PairedEnds
    tests: PairedTests | None
    bytes: dict[str, Any]
    over_texts: tuple[float, float]
    spread: SplitSpread


def measure_verdicts(
    tables: Tables,
    margin: float | None = None,
    metric: str | None = None,
    baseline: str | None = None,
    target: Target = None,
    final: str | None = None,
    family: HolmFamily = "setting",
    level: float = LEVEL,
    scores: Mapping[str, ArrayLike] | None = None,
) -> pd.DataFrame:
    """Return a row per setting and codec: what is shown against the baseline.

    What is not given is as the store's protocol declares (see `ask`), else as follows.

    Args:
        tables: of a store.
        margin: the loss that would matter, in the metric's unit; see `choose_margin` for None.
        metric: a column of the results; the task's headline by default.
        baseline: a codec's label; by default the suite's, or the one that sends fp32 both ways.
        target: up to which bytes are counted; 98 % of the baseline's final mean by default.
        final: `last3`, the default: a run's final value is the mean of its last three evaluations.
        family: over which methods Holm's adjustment is made: those of a `setting`, or all cells of
            the `store`.
        level: of each claim over its family.
        scores: [texts] what each run scored on each test text, by the run's id, more is better.
            With them, `text_low` and `text_high` hold for other texts too. By default what the
            store has of them, for accuracy.

    Returns:
        setting, codec, n (pairs), metric, margin, final, evaluations, most_evaluations.
        difference, low, high, sd: of codec minus baseline in the metric's unit (perplexity: of its
            logarithm); low and high are one-sided bounds, NaN below five pairs.
        p_non_inferior, p_better, p_equal, p_worse: adjusted by Holm; p_sign_flip: of
            non-inferiority by the exact test, not adjusted.
        text_low, text_high: bounds over seeds and texts; NaN without scores.
        partition_sd, training_sd, rest_sd: of the differences of a crossed design, by source.
        word, verdict, seeds_needed: see `Verdict`; a codec that lost a seed to a failure is shown
            to be nothing good.
        differences: each seed's, as text; missing, failed: seeds, as text.
        target, target_source, reached, base_reached, runs, ratio, ratio_low, ratio_high,
        ratio_bound: see `BytesRatio`.
        to_target, times_fewer: the same in words; other_targets: of those declared beside it.

    Raises:
        NothingToDrawError: if no run has the metric.
        ValueError: without a baseline or anything to compare, for a margin that is none, or for a
            target in numbers that a constant answer comes near.
    """
    if family not in get_args(HolmFamily):
        raise ValueError(f"family must be setting or store, got {family!r}")
    asked = ask(tables, metric, margin, baseline, target, final)
    comparison, base = compare_to_baseline(tables, asked.metric, asked.baseline)
    loss = choose_margin(comparison.metric, asked.margin)
    if scores is None:
        scores = mean_scores(tables, comparison.metric.name, asked.final)
    design, rows = read_design(tables), []
    for setting in comparison.settings:
        measured = describe_targets(tables, comparison, setting, base, asked.targets)
        ends = read_ends(tables, comparison, setting, asked.final)
        for pair in pair_ends(ends, base, comparison.metric):
            tests = judge_pairs(pair, loss, level, design)
            # Cells of a crossed design are no independent seeds.
            over = (nan, nan) if design else bound_over_texts(setting, pair, base, scores, level)
            spread = split_spread(pair, design)
            rows.append(_Row(setting, pair, tests, measured[pair.codec], over, spread))
    if not rows:
        raise ValueError(f"no setting has both {base!r} and another codec")
    verdicts: dict[int, Verdict] = {}
    for members in _families(rows, family):
        found = decide(
            [rows[i].tests for i in members],
            loss,
            level,
            [bool(rows[i].ends.failed) for i in members],
        )
        verdicts |= dict(zip(members, found, strict=True))
    facts = {"metric": comparison.metric.name, "margin": loss, "final": asked.final}
    facts |= {"baseline": base, "target_origin": asked.target_origin}
    return pd.DataFrame(
        [_columns(row, verdicts[i], comparison.metric, loss) | facts for i, row in enumerate(rows)]
    )


def _families(rows: list[_Row], family: HolmFamily) -> list[list[int]]:
    if family == "store":
        return [list(range(len(rows)))]
    groups: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(id(row.setting), []).append(i)
    return list(groups.values())


def _columns(row: _Row, verdict: Verdict, metric: Metric, margin: float) -> dict[str, Any]:
    ends, tests = row.ends, row.tests
    enough = tests is not None and tests.n >= FEWEST_SEEDS
    sign = 1 if metric.rises else -1
    bounds = sorted((sign * tests.low, sign * tests.high)) if tests and enough else (nan, nan)
    over = sorted(sign * bound for bound in row.over_texts)
    lost = [str(seed) for seed in ends.failed]
    blamed = bool(lost) and verdict.word != "worse"
    seeds = verdict.seeds_needed
    raw = [own - base for own, base in zip(ends.own, ends.base, strict=True)]
    return {
        "setting": row.setting.title,
        "codec": ends.codec,
        "n": len(ends.seeds),
        "evaluations": ends.evaluations,
        "most_evaluations": ends.most_evaluations,
        "difference": sum(raw) / len(raw) if raw else nan,
        "low": bounds[0],
        "high": bounds[1],
        "text_low": over[0],
        "text_high": over[1],
        "sd": tests.sd if tests else nan,
        **vars(row.spread),
        "p_non_inferior": verdict.p_non_inferior,
        "p_better": verdict.p_better,
        "p_equal": verdict.p_equal,
        "p_worse": verdict.p_worse,
        "p_sign_flip": flip_signs(ends.differences, -margin) if enough else nan,
        "word": verdict.word,
        "verdict": f"{verdict.word}: seed {', '.join(lost)} failed" if blamed else verdict.sentence,
        "seeds_needed": nan if blamed or seeds is None else seeds,
        "differences": _by_seed(ends.seeds, raw),
        "missing": " ".join(map(str, ends.missing)),
        "failed": " ".join(lost),
    } | row.bytes


def _by_seed(seeds: tuple[int, ...], values: list[float]) -> str:
    return " ".join(f"{seed}:{value:.6g}" for seed, value in zip(seeds, values, strict=True))
