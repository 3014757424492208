"""A launcher from the words of the command line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbytes.experiments.engines.launcher import Launcher


def make_launcher(name: str, settings: Sequence[str]) -> "Launcher":
    """Return a launcher by name, with settings such as `partition=low`.

    Raises:
        ValueError: for an unknown name or setting, or a value that it does not take.
    """
    import yaml

    from fedbytes.experiments.engines.launcher import LAUNCHERS

    fields: dict[str, Any] = {}
    for word in settings:
        key, sign, value = word.partition("=")
        if not key or not sign:
            raise ValueError(f"--engine takes KEY=VALUE, got {word!r}")
        try:
            fields[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"--engine {key}: {value!r} is no value") from None
    return LAUNCHERS.make(name, **fields)
