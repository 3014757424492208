"""Which section a setting belongs to that was written without one: `lr`, `alpha`, `rank`."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from fedbytes.compression import CODECS
from fedbytes.data import TASKS
from fedbytes.federated import ALGORITHMS
from fedbytes.models import ADAPTERS
from fedbytes.noniid import PARTITIONERS
from fedbytes.registry import Registry, full_names

_SECTIONS: dict[str, tuple[Registry[Any], str]] = {
    "algorithm": (ALGORITHMS, "fedavg"),
    "partition": (PARTITIONERS, "dirichlet"),
    "adapter": (ADAPTERS, "lora"),
    "task": (TASKS, "text"),
    "codec": (CODECS, "topk"),
}
"""The sections whose plug-ins have fields of their own, and the plug-in that is looked at first."""
_OTHERS = {
    "num_clients": "partition.num_clients",
    "factor": "partition.factor",
    "groups": "partition.groups",
    "device": "model.device",
    "error_feedback": "codec.error_feedback",
    "lora": "adapter",
    "dataset": "task",
}


def whole_key(key: str) -> str | None:
    """Return the dotted key of a field that is some section's, such as `algorithm.learning_rate`.

    The plug-ins that sections have by default come before all others.
    """
    names = [key, *full_names(key)]
    for name in names:
        if name in _OTHERS:
            return _OTHERS[name]
        for section, (registry, usual) in _SECTIONS.items():
            if name in _fields(registry.get(usual)):
                return f"{section}.{name}"
    for name in names:
        for section, (registry, _) in _SECTIONS.items():
            if any(name in _fields(registry.get(other)) for other in registry.names()):
                return f"{section}.{name}"
    return None


def _fields(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls) if field.init}


def known_settings(fields: Iterable[str]) -> list[str]:
    """Return the keys of a configuration: its `fields`, and those of sections' usual plug-ins."""
    found = [*fields, "codec"]
    for section, (registry, usual) in _SECTIONS.items():
        found += [f"{section}.{name}" for name in ("name", *sorted(_fields(registry.get(usual))))]
    return sorted({*found, *(key for key in _OTHERS.values() if "." in key), "model.name"})


def names_for(key: str) -> list[str]:
    """Return the names of plug-ins that a section's key takes; none for other keys."""
    section = key.removesuffix(".name")
    section = "codec" if section in ("uplink", "downlink") else section
    return _SECTIONS[section][0].names() if section in _SECTIONS else []
