"""Short names of plug-ins for legends and tables, and texts of users as one printable line."""

import dataclasses
import re
import unicodedata
from typing import Any

from fedbytes.registry import Registry

_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~$&#]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_JOINERS = "\u200c\u200d"  # parts of words in some scripts, and of emoji


def single_line(text: object) -> str:
    """Return a text as one printable line: its breaks and tabs are spaces."""
    return printable(_BREAKS.sub(" ", str(text))).strip()


def markdown_line(text: object) -> str:
    r"""Return a text as one line of Markdown that shows it as it is: `a_b` becomes `a\_b`."""
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), single_line(text))


def printable(text: str) -> str:
    r"""Return a text of any lines whose control characters are written as `\x1b`.

    So is what changes the colour, the title or the direction of a terminal, and what no encoding
    holds; everything that is seen stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _escape(char) for char in text)


def _is_seen(char: str) -> bool:
    kept = char == "\n" or char in _JOINERS or unicodedata.category(char) in ("Zs", "Co")
    return kept or char.isprintable()


def _escape(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


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
