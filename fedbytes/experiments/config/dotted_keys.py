"""Settings by dotted keys: `a.b.c` set in nested dictionaries."""

import dataclasses
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.registry import Registry

_PLAIN = ("path", "test_path")
"""Fields whose mapping is no plug-in: a name alone has no fields that could be set."""


def set_dotted(fields: dict[str, Any], key: str, value: Any) -> None:
    """Set `a.b.c` in nested dictionaries, creating them as needed.

    A component given by name alone becomes a dictionary; a whole component replaces the old one.

    Raises:
        ValueError: if a part of the key leads through a value that has no fields.
    """
    *parents, last = key.split(".")
    if last == "name" and len(parents) == 1 and parents[0] not in fields:
        fields[parents[0]] = _fitting_defaults(parents[0], str(value))
    place = fields
    for depth, parent in enumerate(parents):
        default = _default_component(parent) if depth == 0 else {}
        child = place.get(parent, default)
        if isinstance(child, str) and parent not in _PLAIN:
            child = {"name": child}
        if isinstance(child, list) and len(child) == 1:  # the only plug-in of a section
            child = {"name": child[0]} if isinstance(child[0], str) else child[0]
        if not isinstance(child, dict):
            raise ValueError(f"{key}: {parent!r} is {child!r}, which has no fields")
        place[parent] = dict(child)
        place = place[parent]
    place[last] = value


def _default_component(key: str) -> dict[str, Any]:
    info = RunConfig.model_fields.get(key)
    return dict(info.default) if info is not None and isinstance(info.default, dict) else {}


def _fitting_defaults(key: str, name: str) -> dict[str, Any]:
    """Return the default component without the fields that the plug-in `name` does not have."""
    from fedbytes.data import TASKS
    from fedbytes.federated.algorithm import ALGORITHMS
    from fedbytes.models import ADAPTERS
    from fedbytes.noniid import PARTITIONERS

    default = _default_component(key)
    registries: dict[str, Registry[Any]] = {
        "task": TASKS, "adapter": ADAPTERS, "partition": PARTITIONERS, "algorithm": ALGORITHMS
    }  # fmt: skip
    if key not in registries or name not in registries[key].names():
        return default  # a plug-in that is not loaded yet, or a mistake that is reported later
    known = {field.name for field in dataclasses.fields(registries[key].get(name))}
    return {k: v for k, v in default.items() if k in known | {"num_clients"}}
