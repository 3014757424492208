"""Two stores run by run: equal to the bit, within what processors explain, or different."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from fedbytes.experiments.published.run_record import NUMBERS, RunRecord, read_records
from fedbytes.experiments.published.tolerance import (
    EXACT_LINKS,
    TestSizes,
    Tolerance,
    allowed_share,
)

RunVerdict = Literal["equal", "within tolerance", "differs", "only first", "only second", "no rows"]
_PRINTED = 1e-5
"""Relative difference of numbers of which one was printed with six digits."""
_ROUNDED = 1e-9
"""What a difference of two shares, such as 0.9 - 0.895, has beside what it is."""
_COMPARED = ("fedbytes", "commit", "dirty", "python", "platform", "processor", "threads")
_MACHINE = ("processor", "platform", "packages", "threads", "precision")


@dataclass(frozen=True)
class Compared:
    """A run of two stores.

    Attributes:
        run: its id.
        label: the method's name.
        seed: its seed.
        verdict: what was found.
        apart: the largest differences, by column; empty if there is none.
        reason: why, where it is not the numbers.
    """

    run: str
    label: str
    seed: int | None
    verdict: RunVerdict
    apart: Mapping[str, float]
    reason: str = ""


@dataclass(frozen=True)
class StoreComparison:
    """All runs of two stores.

    Attributes:
        runs: those that either has, in the order of label and seed.
        origins: which provenance differs between runs of both: `(what, first, second, runs)`.
        explained: whether provenance says that the two were made on different machines.
        told: whether runs of both have a provenance, which published tables have for all at once.
    """

    runs: tuple[Compared, ...]
    origins: tuple[tuple[str, str, str, int], ...]
    explained: bool
    told: bool

    def count(self, verdict: RunVerdict) -> int:
        """Return how many runs have a verdict."""
        return sum(one.verdict == verdict for one in self.runs)

    def table(self) -> pd.DataFrame:
        """Return one row per run: `run, label, seed, verdict, reason`, and a column per metric."""
        rows = [
            {"run": r.run, "label": r.label, "seed": r.seed, "verdict": r.verdict}
            | {"reason": r.reason}
            | dict(r.apart)
            for r in self.runs
        ]
        return pd.DataFrame(rows)


def compare_stores(
    first: str | Path, second: str | Path, tolerance: Tolerance | None = None
) -> StoreComparison:
    """Compare the runs that two stores, or published tables, have in common.

    Args:
        first: a store, or a folder with the rows of one.
        second: another.
        tolerance: by default `EXACT_LINKS` where both links are fp32, else `Tolerance()`.

    Raises:
        ValueError: if a folder holds no runs, or the two have none in common.
    """
    one, other = read_records(first), read_records(second)
    common = sorted(one.keys() & other.keys())
    if not common:
        raise ValueError(
            f"{first} ({_suites(one)}) and {second} ({_suites(other)}) have no run in common: "
            "runs are joined by id, which every setting is part of: give two makings of one suite"
        )
    found = [compare_runs(one[run], other[run], tolerance) for run in common]
    found += [_alone(one[run], "only first") for run in one.keys() - other.keys()]
    found += [_alone(other[run], "only second") for run in other.keys() - one.keys()]
    found.sort(key=lambda c: (c.label, -1 if c.seed is None else c.seed, c.run))
    origins = _origins([(one[run], other[run]) for run in common])
    explained = any(what.split(" ")[0] in _MACHINE for what, *_ in origins)
    told = any(one[run].provenance and other[run].provenance for run in common)
    return StoreComparison(tuple(found), tuple(origins), explained, told)


def compare_runs(one: RunRecord, other: RunRecord, tolerance: Tolerance | None = None) -> Compared:
    """Compare two makings of a run, evaluated round by evaluated round."""
    if one.rows.empty or other.rows.empty:
        which = " and ".join(
            f"the {word} is {record.status}"
            for word, record in (("first", one), ("second", other))
            if record.rows.empty
        )
        whole = other if one.rows.empty else one
        return Compared(
            one.run, _label(whole), _seed(whole), "no rows", {}, f"{which}, without rows"
        )
    run, label, seed = one.run, _label(one), _seed(one)
    rounds = [sorted(record.rows["round"]) for record in (one, other)]
    if rounds[0] != rounds[1]:
        ends = " and ".join(str(r[-1]) for r in rounds)
        reason = f"{len(rounds[0])} and {len(rounds[1])} evaluations, to rounds {ends}"
        return Compared(run, label, seed, "differs", {}, reason)
    allowed, sizes = tolerance or _default_tolerance(one), one.sizes.or_of(other.sizes)
    printed = not (one.exact and other.exact)
    apart: dict[str, float] = {}
    outside, different = [], False
    for name in _shared_numbers(one.rows, other.rows):
        pair = one.rows[name], other.rows[name]
        gap, exceeds, equal = _gap(name, *pair, allowed, sizes, printed)
        different |= not equal
        if not equal:
            apart[name] = gap
        if exceeds:
            outside.append(name)
    verdict: RunVerdict = "differs" if outside else "within tolerance" if different else "equal"
    reason = f"{', '.join(outside)} differ by more than is allowed" if outside else ""
    return Compared(run, label, seed, verdict, apart, reason)


def _shared_numbers(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Return the columns that both have, numbers in one and numbers or nothing in the other."""
    numeric = {
        name
        for frame in (one, other)
        for name in frame.select_dtypes("number").columns
        if name not in ("seed", "round", "rounds", "alpha")
    }
    return sorted(name for name in numeric if _is_numbers(one, name) and _is_numbers(other, name))


def _is_numbers(rows: pd.DataFrame, name: str) -> bool:
    """Return whether a column is there, and of numbers; of a run that diverged it may be empty."""
    if name not in rows:
        return False
    return bool(pd.api.types.is_numeric_dtype(rows[name]) or rows[name].isna().all())


def _gap(
    name: str, a: pd.Series, b: pd.Series, allowed: Tolerance, sizes: TestSizes, printed: bool
) -> tuple[float, bool, bool]:
    """Return the largest difference, whether it exceeds the tolerance, and whether it is none."""
    one, other = a.astype(float), b.astype(float)
    if (one.isna() != other.isna()).any():
        return float("nan"), not name.startswith("delta_"), False
    difference = (one - other).abs().fillna(0.0)
    size = pd.concat([one.abs(), other.abs()], axis=1).max(axis=1).fillna(0.0)
    relative = (difference / size.where(size > 0, 1.0)).max()
    largest = float(difference.max())
    equal = relative <= _PRINTED if printed and name not in NUMBERS else largest == 0
    if name in NUMBERS:
        return largest, not equal and relative > allowed.bytes, bool(equal)
    is_share = bool(size.max() <= 1 and min(one.min(), other.min()) >= 0) and "loss" not in name
    share = allowed_share(name, allowed.share, sizes) + _ROUNDED
    exceeds = largest > share if is_share else relative > allowed.relative
    if name.startswith("delta_"):
        exceeds = False  # of updates, not of the model: shown, and no ground for a verdict
    return largest, bool(exceeds and not equal), bool(equal)


def _default_tolerance(run: RunRecord) -> Tolerance:
    links = {str(run.rows[name].iloc[0]) for name in ("uplink", "downlink") if name in run.rows}
    return EXACT_LINKS if links == {"fp32"} else Tolerance()


def _alone(run: RunRecord, verdict: RunVerdict) -> Compared:
    return Compared(run.run, _label(run), _seed(run), verdict, {})


def _label(run: RunRecord) -> str:
    return run.label if run.settings.get("label") or not run.rows.empty else "–"


def _seed(run: RunRecord) -> int | None:
    if "seed" in run.settings:
        return int(run.settings["seed"])
    return None if run.rows.empty else int(run.rows["seed"].iloc[0])


def _suites(records: Mapping[str, RunRecord]) -> str:
    names = {str(r.rows["suite"].iloc[0]) for r in records.values() if "suite" in r.rows}
    return f"{len(records)} runs of {', '.join(sorted(names)) or 'no suite'}"


def _origins(pairs: list[tuple[RunRecord, RunRecord]]) -> list[tuple[str, str, str, int]]:
    """Return what the provenance of runs of both differs in, most frequent first."""
    counts: dict[tuple[str, str, str], int] = {}
    for one, other in pairs:
        if not one.provenance or not other.provenance:
            continue
        a, b = _told(one.provenance), _told(other.provenance)
        for key in sorted(a.keys() | b.keys()):
            if a.get(key) != b.get(key):
                case = (key, str(a.get(key, "–")), str(b.get(key, "–")))
                counts[case] = counts.get(case, 0) + 1
    found = [(*case, count) for case, count in counts.items()]
    return sorted(found, key=lambda case: (-case[3], case[:3]))


def _told(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was made from and with, flat."""
    found = {key: provenance[key] for key in _COMPARED if key in provenance}
    found |= {
        f"packages {name}": version
        for name, version in provenance.get("packages", {}).items()
        if version is not None
    }
    found |= {
        f"{kind} {path}": None if digest is None else digest[:12]
        for kind, names in provenance.get("sources", {}).items()
        for path, digest in names.items()
    }
    return {k: v for k, v in found.items() if not (isinstance(v, float) and isnan(v))}
