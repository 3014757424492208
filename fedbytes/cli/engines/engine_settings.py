"""A launcher from the words of the command line."""

import shlex
import types
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbytes.experiments.engines.launcher import Launcher


def make_launcher(name: str, settings: Sequence[str]) -> "Launcher":
    """Return a launcher by name, with settings such as `partition=low`.

    A setting that is text stays as it is written: `time=55` and `time=2:00:00` are words to SLURM.
    One that is several words is a list, or is split as a shell splits it.

    Raises:
        ValueError: for an unknown name or setting, or a value that it does not take.
    """
    from fedbytes.experiments.engines.launcher import LAUNCHERS

    hints = typing.get_type_hints(LAUNCHERS.get(name))
    fields: dict[str, Any] = {}
    for word in settings:
        key, sign, value = word.partition("=")
        if not key or not sign:
            raise ValueError(f"--engine takes KEY=VALUE, got {word!r}")
        try:
            fields[key] = _read(value, hints.get(key, Any))
        except ValueError as error:
            raise ValueError(f"--engine {key}: {value!r} is no value ({error})") from None
    return LAUNCHERS.make(name, **fields)


def _read(value: str, hint: Any) -> Any:
    """Return a setting's value as its field's type wants it read."""
    from fedbytes.experiments.config.strict_yaml import read_yaml

    if value and _is_text(hint):
        return value
    if typing.get_origin(hint) is tuple and _is_text(typing.get_args(hint)[0]):
        words = value.strip()
        if not words.startswith("["):
            return shlex.split(words)
        return [part.strip() for part in words.removeprefix("[").removesuffix("]").split(",")]
    return read_yaml(value)


def _is_text(hint: Any) -> bool:
    """Return whether a field takes text and no numbers, whether or not it may be left out."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = set(typing.get_args(hint)) - {type(None)} if is_union else {hint}
    return kinds == {str}
