"""Runs of an earlier revision of a plug-in, whose numbers a mend has changed since."""

from collections.abc import Mapping
from typing import Any


def outdated(settings: Mapping[str, Any]) -> str:
    """Return which plug-ins of a stored run have another revision now, in a few words.

    Empty if none has. Plug-ins that are not at hand, or are refused today, are left out.
    """
    # Only the plug-ins themselves know their revisions; with them comes torch, so not before.
    from fedbytes.experiments.config.components import build_components

    try:
        now = build_components(_of_plugins(settings)).specs
    except (ValueError, TypeError, KeyError):
        return ""
    found = [
        f"{_kind(path)} {name} was made at revision {was}, now {is_}"
        for path, (name, is_) in sorted(_revisions(now).items())
        if (was := _revisions(settings).get(path, (name, 1))[1]) != is_
    ]
    return "; ".join(found)


def _of_plugins(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specifications of a run's plug-ins without their revisions."""
    fields = {key: _without(value) for key, value in settings.items()}
    beside = ("num_clients", "factor", "groups", "seed")
    split = {key: v for key, v in dict(fields["partition"]).items() if key not in beside}
    return fields | {"partition": split, "aggregation": fields.get("aggregation") or "decode_each"}


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v) for k, v in value.items() if not _is_revision(k, value)}
    return [_without(one) for one in value] if isinstance(value, list | tuple) else value


def _is_revision(key: str, spec: Mapping[str, Any]) -> bool:
    return key == "revision" and "name" in spec


def _revisions(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], tuple[str, int]]:
    """Return name and revision of every plug-in, by where it stands in the settings."""
    found: dict[tuple[str, ...], tuple[str, int]] = {}
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str) and path:
            found[path] = value["name"], int(value.get("revision", 1))
        for key, one in value.items():
            found |= _revisions(one, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for place, one in enumerate(value):
            found |= _revisions(one, (*path, str(place)))
    return found


def _kind(path: tuple[str, ...]) -> str:
    return ".".join(part for part in path if not part.isdecimal())
