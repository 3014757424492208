"""The sections of a configuration that say what acts in a run's rounds: lists of plug-ins."""

from typing import Any

SECTIONS = ("attack", "defense", "clean", "privacy", "audit")
"""Named as the fields of `fedbytes.federated.RoundPlugins`."""


def as_list(given: Any) -> Any:
    """Return a section as a tuple of specifications: of a name, a mapping, a list of them, None."""
    several = given if isinstance(given, list | tuple) else () if given is None else (given,)
    return tuple({"name": one} if isinstance(one, str) else one for one in several)
