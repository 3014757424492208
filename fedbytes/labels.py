"""Short names of plug-ins for legends and tables."""

import dataclasses
from typing import Any

from fedbytes.registry import Registry


def short_label(plugin: Any) -> str:
    """Return a plug-in's name and its fields that are not at their default; nested ones too."""
    words = [plugin.name]
    for field in dataclasses.fields(plugin):
        value = getattr(plugin, field.name)
        if value != field.default:
            words.append(_field(field.name, value))
    return " ".join(words)


def _field(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_item(item) for item in value) + "]"
    if Registry.of(type(value)) is not None:
        return f"({short_label(value)})"
    return f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"


def _item(item: Any) -> str:
    if Registry.of(type(item)) is not None:
        return short_label(item)
    if dataclasses.is_dataclass(item):
        return " ".join(_item(getattr(item, field.name)) for field in dataclasses.fields(item))
    return f"{item:g}" if isinstance(item, float) else str(item)
