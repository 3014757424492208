"""Runs of an earlier revision of a plug-in, whose numbers a mend has changed since."""

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import fedbytes

_OWN = re.compile(r"^    def revision\(", re.M)
_NAMES = re.compile(r"\.register\(\s*\"([^\"]+)\"")
_BASE = Path(fedbytes.__file__).parent / "plugin_fields.py"


def outdated(settings: Mapping[str, Any]) -> str:
    """Return which plug-ins of a stored run have another revision now, in a few words.

    Empty if none has. Plug-ins that are not at hand, or are refused today, are left out.
    """
    if not _may_be_outdated(settings):
        return ""
    # Imports torch, so it is loaded for those runs alone that have a plug-in with revisions.
    components = importlib.import_module("fedbytes.experiments.config.components")
    try:
        now = components.build_components(_of_plugins(settings)).specs
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
    beside = ("num_clients", "factor", "groups")
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


def _may_be_outdated(settings: Mapping[str, Any]) -> bool:
    """Return whether a plug-in of the run may have a revision: else nothing need be imported."""
    names, any_of = _revised()
    used = {name for name, _ in _revisions(settings).values()}
    stated = any(revision != 1 for _, revision in _revisions(settings).values())
    return any_of or stated or bool(used & names)


@lru_cache(maxsize=1)
def _revised() -> tuple[set[str], bool]:
    """Return the names of fedbytes' plug-ins that state a revision, and whether a base does."""
    names: set[str] = set()
    base = False
    for text in _sources_with_revision():
        found = _NAMES.findall(text)
        names |= set(found)
        base |= not found
    return names, base


def _sources_with_revision() -> Iterator[str]:
    for path in _BASE.parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path != _BASE and _OWN.search(text):
            yield text
