"""Short names for what distinguishes runs."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from fedbytes.noniid import PARTITIONERS

_GREEK = {"alpha": "α", "sigma": "σ"}
_ALWAYS = ("alpha", "classes_per_client", "shards_per_client")
_BESIDE = ("num_clients", "factor")  # of every partition, and not its partitioner's


def counted(count: int, noun: str) -> str:
    """Return `1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def partition_label(spec: Mapping[str, Any]) -> str:
    """Return a partitioner's name and its most telling fields, such as `dirichlet α=0.1`.

    Fields at their default are left out, except those that a scheme is known by.
    """
    name = str(spec["name"])
    words, inner = [name], []
    defaults = {f.name: f.default for f in dataclasses.fields(PARTITIONERS.get(name))}  # type: ignore[arg-type]
    for key, value in spec.items():
        if key == "name" or (key in _BESIDE and key not in defaults):
            continue
        if isinstance(value, Mapping) and "name" in value:
            inner.append(f"{key} {partition_label(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            inner.append(f"{key} " + " + ".join(partition_label(part) for part in value))
        elif value is not None and (key in _ALWAYS or value != _plain(defaults.get(key))):
            words.append(f"{_GREEK.get(key, key)}={_text(value)}")
    return " ".join(words + inner)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{k}={_text(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
