"""Simulated studies with a known truth, for `benchmarks/verdicts.py`."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from scipy import stats

from fedbytes.plots import (
    Hit,
    adjust_holm,
    bootstrap_texts,
    compare_bytes,
    compare_crossed,
    compare_with_margin,
    compute_power,
    count_seeds,
    fit_clustered_line,
    flip_signs,
)
from fedbytes.streams import stream

MARGIN, LEVEL, METHODS = 0.5, 0.05, 12
Row = dict[str, Any]


def rate(question: str, case: str, n: int, found: list[bool], nominal: float) -> Row:
    """Return a row about a share of draws, with its Monte Carlo error."""
    share = float(np.mean(found))
    error = float(np.sqrt(max(share * (1 - share), 1e-9) / len(found)))
    return {
        "question": question,
        "case": case,
        "n": n,
        "rate": share,
        "error": error,
        "nominal": nominal,
        "draws": len(found),
    }


def families(draws: int) -> Iterator[Row]:
    """Yield family-wise error rates of each word over 12 methods, half of them louder."""
    cases = product((5, 10, 20), (1, 2, 3), (0.0, 1.0))
    for key, (n, ratio, shared) in enumerate(cases):
        random = stream(0, "families", key)
        sds = 0.35 * np.where(np.arange(METHODS) % 2, ratio, 1)
        case = f"louder by {ratio}, differences correlated {shared / (1 + shared):g}"
        wrong: dict[str, list[bool]] = {}
        for _ in range(draws):
            noise = random.normal(size=(METHODS, n)) + shared * random.normal(size=n)
            noise = sds[:, None] * noise
            at_margin = [compare_with_margin(row - MARGIN, MARGIN) for row in noise]
            at_zero = [compare_with_margin(row, MARGIN) for row in noise]
            mixed = at_margin[:6] + at_zero[6:]
            found = {
                "non-inferior, all at the margin": _any(at_margin, "non_inferior"),
                "non-inferior, half at the margin": _any(mixed, "non_inferior", 6),
                "equal, all at the margin": _any(at_margin, "equal"),
                "worse, all at the margin": _any(at_margin, "worse"),
                "better, all at zero": _any(at_zero, "better"),
                "better or worse, all at zero": _any(at_zero, "better") or _any(at_zero, "worse"),
            }
            for name, value in found.items():
                wrong.setdefault(name, []).append(value)
        for name, values in wrong.items():
            yield rate(f"family of 12: {name}", case, n, values, LEVEL)


def _any(tests: list[Any], claim: str, first: int = METHODS) -> bool:
    """Return whether a claim is made of one of the first methods, after Holm over all."""
    adjusted = adjust_holm([getattr(found, f"p_{claim}") for found in tests])
    return bool((adjusted[:first] <= LEVEL).any())


NOISES = {
    "normal": lambda random, size: random.normal(size=size),
    "heavy tails (t, 3 degrees)": lambda random, size: random.standard_t(3, size=size),
    "skewed to losses": lambda random, size: 1 - random.exponential(size=size),
    "skewed to gains": lambda random, size: random.exponential(size=size) - 1,
}


def shapes(draws: int) -> Iterator[Row]:
    """Yield errors of single tests at the margin, where the noise is not normal."""
    for key, (n, (name, draw)) in enumerate(product((5, 10, 20), NOISES.items())):
        noise = draw(stream(0, "shapes", key), (draws, n)) * 0.3 - MARGIN
        tests = [compare_with_margin(row, MARGIN) for row in noise]
        flips = [flip_signs(row, -MARGIN) <= LEVEL for row in noise[: max(1, draws // 2)]]
        yield rate("one method: t test", name, n, [t.p_non_inferior <= LEVEL for t in tests], LEVEL)
        yield rate("one method: TOST", name, n, [t.p_equal <= LEVEL for t in tests], LEVEL)
        yield rate("one method: sign flips", name, n, flips, LEVEL)


def pooling(draws: int) -> Iterator[Row]:
    """Yield what pooling over methods after Levene's test does to the one that is louder."""
    for key, (n, ratio) in enumerate(product((5, 10), (1, 2, 3))):
        noise = stream(0, "pooling", key).normal(size=(draws, METHODS, n))
        noise[:, 0] *= ratio
        own = [compare_with_margin(one[0] - MARGIN, MARGIN).p_non_inferior for one in noise]
        pooled = []
        for one in noise:
            alike = stats.levene(*one).pvalue > LEVEL
            sd = np.sqrt(one.var(axis=1, ddof=1).mean()) if alike else one[0].std(ddof=1)
            t = one[0].mean() / (sd / np.sqrt(n))
            pooled.append(float(stats.t.sf(t, (METHODS if alike else 1) * (n - 1))))
        case = f"one of 12 louder by {ratio}"
        yield rate("own variance", case, n, [p <= LEVEL for p in own], LEVEL)
        yield rate("pooled after Levene", case, n, [p <= LEVEL for p in pooled], LEVEL)


def censoring(draws: int) -> Iterator[Row]:
    """Yield coverage and bias of the ratio of bytes where runs miss the target."""
    true, correlation = 16.0, 0.5
    cases = product((5, 10, 20), (0.0, 0.2, 0.4), (0.0, 0.2), (1, 3))
    for key, (n, own_share, base_share, ratio) in enumerate(cases):
        random = stream(0, "censoring", key)
        held, ratios, survivors = [], [], []
        ends = [stats.norm.isf(share) if share else np.inf for share in (own_share, base_share)]
        for _ in range(draws):
            base = random.normal(size=n)
            own = correlation * base + np.sqrt(1 - correlation**2) * random.normal(size=n)
            hits = [
                [_hit(z, end, sd, start) for z in values]
                for values, end, sd, start in (
                    (own, ends[0], 0.2 * ratio, 1e6 / true),
                    (base, ends[1], 0.2, 1e6),
                )
            ]
            found = compare_bytes(*hits)
            both = [a.reached and b.reached for a, b in zip(*hits, strict=True)]
            if any(both):
                logs = [np.log(b.bytes / a.bytes) for a, b, c in zip(*hits, both, strict=True) if c]
                survivors.append(float(np.mean(logs)))
            if found.bound == "about":
                ratios.append(float(np.log(found.ratio)))
                held.append(found.low <= true <= found.high)
        case = f"{own_share:.0%} missed, baseline {base_share:.0%}, louder by {ratio}"
        row = rate("bytes to the target: 95 % interval", case, n, held, 0.95)
        yield row | {
            "bias": float(np.exp(np.mean(ratios)) / true - 1),
            "survivors_bias": float(np.exp(np.mean(survivors)) / true - 1),
            "estimated": len(held) / draws,
        }


def _hit(z: float, end: float, sd: float, start: float) -> Hit:
    """Return a run whose crossing lies z deviations from the mean, cut where the run ends."""
    return Hit(float(start * np.exp(sd * min(z, end))), "missed" if z > end else "between")


def powers(draws: int) -> Iterator[Row]:
    """Yield simulated power at the number of seeds that is planned for 80 %."""
    for key, (sd, level) in enumerate(product((0.35, 0.65, 1.0), (LEVEL, LEVEL / METHODS))):
        n = count_seeds(sd, MARGIN, level=level)
        noise = stream(0, "powers", key).normal(size=(draws, n)) * sd
        shown = [compare_with_margin(row, MARGIN).p_non_inferior <= level for row in noise]
        case = f"paired sd {sd}, level {level:.4f}"
        yield rate("power as planned", case, n, shown, compute_power(n, sd, MARGIN, level=level))


def crossed(draws: int) -> Iterator[Row]:
    """Yield errors at the margin where partitions and training seeds are crossed."""
    shapes_ = ((5, 2), (5, 4), (10, 2))
    parts = {"partitions loud": (1.0, 0.2, 0.5), "both loud": (1.0, 1.0, 0.5), "alike": (0, 0, 1.0)}
    for key, ((rows, columns), (name, sds)) in enumerate(product(shapes_, parts.items())):
        random, right, wrong = stream(0, "crossed", key), [], []
        for _ in range(draws):
            table = sds[0] * random.normal(size=(rows, 1)) + sds[1] * random.normal(size=columns)
            table = table + sds[2] * random.normal(size=(rows, columns)) - MARGIN
            right.append(compare_crossed(table, MARGIN).p_non_inferior <= LEVEL)
            wrong.append(compare_with_margin(table.ravel(), MARGIN).p_non_inferior <= LEVEL)
        case = f"{rows} partitions x {columns} seeds, {name}"
        yield rate("crossed design: crossed error", case, rows * columns, right, LEVEL)
        yield rate("crossed design: runs as independent", case, rows * columns, wrong, LEVEL)


def texts(draws: int) -> Iterator[Row]:
    """Yield coverage of the lower bound over seeds and texts, and of Student's over seeds."""
    for key, (n, count) in enumerate(product((5, 10), (100, 400))):
        random, crossed_, seeds_ = stream(0, "texts", key), [], []
        for _ in range(draws):
            gaps = 0.2 * random.normal(size=count) + 0.005 * random.normal(size=(n, 1))
            gaps = gaps + 0.2 * random.normal(size=(n, count))
            found = bootstrap_texts(gaps, np.zeros_like(gaps), resamples=500)
            crossed_.append(found.low <= 0)
            seeds_.append(compare_with_margin(gaps.mean(axis=1), MARGIN).low <= 0)
        yield rate("lower bound over seeds and texts", f"{count} texts", n, crossed_, 1 - LEVEL)
        yield rate("lower bound over seeds alone", f"{count} texts", n, seeds_, 1 - LEVEL)


def slopes(draws: int) -> Iterator[Row]:
    """Yield coverage of a slope over 15 settings of 3 runs, one of them far out."""
    x = np.repeat(np.append(np.linspace(0.05, 0.6, 14), 1.0), 3)
    member = np.repeat(np.arange(15), 3)
    for key, between in enumerate((0.0, 0.5, 1.0)):
        random, clustered, alone = stream(0, "slopes", key), [], []
        for _ in range(draws):
            y = between * random.normal(size=15)[member] + 0.5 * random.normal(size=45)
            found = fit_clustered_line(x, y, member)
            line = stats.linregress(x, y)
            clustered.append(found.low <= 0 <= found.high)
            alone.append(abs(line.slope) <= stats.t.ppf(0.975, 43) * line.stderr)
        case = f"settings differ by sd {between}, runs by 0.5"
        yield rate("slope: clustered by setting", case, 45, clustered, 0.95)
        yield rate("slope: runs as independent", case, 45, alone, 0.95)
