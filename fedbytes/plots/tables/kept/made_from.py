"""What kept rows were made from: in common, and apart for runs of other code or machines."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

_PARTS = "parts"
_MADE_WITH = ("fedbytes", "commit", "dirty", "processor", "threads")
"""Fields by which a store's runs are parts."""
_NAMES = ("runs", _PARTS)


def describe_origin(runs: pd.DataFrame) -> dict[str, Any]:
    """Return what a store's runs were made from.

    Args:
        runs: a row per run, with `run` and `provenance`.

    Returns:
        `runs`, the ids; each field that all have in common, or the list of its values. Runs of
        several commits, processors or numbers of threads are `parts` (see `join_parts`).
    """
    told = runs[[bool(record) for record in runs["provenance"]]]
    keys = [
        json.dumps([record.get(field) for field in _MADE_WITH]) for record in told["provenance"]
    ]
    groups = [group for _, group in told.groupby(keys, sort=True)]
    if len(groups) < 2:
        return {"runs": runs["run"].tolist(), **_summarise(told["provenance"].tolist())}
    parts = [
        {"runs": group["run"].tolist(), **_summarise(group["provenance"].tolist())}
        for group in groups
    ]
    return {**join_parts(parts), "runs": runs["run"].tolist()}


def join_parts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the origin of all parts: what they share, and under `parts` what they do not.

    Args:
        parts: at least one, each with the `runs` that it is of.
    """
    if len(parts) == 1:
        return dict(parts[0])
    shared = {
        key: value
        for key, value in parts[0].items()
        if key not in _NAMES and all(key in part and part[key] == value for part in parts)
    }
    own = [{key: value for key, value in part.items() if key not in shared} for part in parts]
    return {"runs": sorted({run for part in parts for run in part["runs"]}), **shared, _PARTS: own}


def split_parts(origin: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of an origin, each with what all share; one that has none is the part."""
    shared = {key: value for key, value in origin.items() if key not in _NAMES}
    if _PARTS not in origin:
        return [{"runs": [], **origin}]
    return [{**shared, **part} for part in origin[_PARTS]]


def keep_runs(origin: Mapping[str, Any], runs: Collection[str]) -> list[dict[str, Any]]:
    """Return the parts of an origin with these runs alone; a part without any is left out."""
    found = [
        {**part, "runs": [run for run in part["runs"] if run in runs]}
        for part in split_parts(origin)
    ]
    return [part for part in found if part["runs"]]


def origin_of_each(origin: Mapping[str, Any], runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is known of each run's own origin: no field of which several values are kept."""
    shared = _single({key: value for key, value in origin.items() if key not in _NAMES})
    known = {
        run: _single({key: value for key, value in part.items() if key not in _NAMES})
        for part in split_parts(origin)
        for run in part["runs"]
    }
    return [known.get(run, shared) for run in runs]


def _single(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if not isinstance(value, list)}


def _summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return each field's value, or the list of its values where records differ."""
    common: dict[str, Any] = {}
    for key in dict.fromkeys(key for record in records for key in record):
        values = {json.dumps(record.get(key), sort_keys=True) for record in records}
        found = [json.loads(value) for value in sorted(values)]
        common[key] = found[0] if len(found) == 1 else found
    return common
