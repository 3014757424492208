"""The metric value that bytes are counted up to, as suites and the command line write it."""

import re
from typing import TypeAlias

Target: TypeAlias = float | str | None
"""The metric value that bytes are counted up to: a number; `"baseline-0.005"`, that much below (or,
with +, above) the baseline's final mean; or None for 98 % of that mean."""

RELATIVE = re.compile(r"baseline\s*([+-])\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)")


def parse_target(given: str | float | None) -> Target:
    """Parse a target as a suite or the command line writes it.

    Raises:
        ValueError: if it is neither a number nor `baseline-NUMBER` or `baseline+NUMBER`.
    """
    if given is None or isinstance(given, int | float):
        return given
    if isinstance(given, str) and RELATIVE.fullmatch(given.strip()):
        return given.strip()
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"target must be a number, or baseline-0.005 for half a point below the baseline's "
            f"final mean, got {given!r}"
        ) from error
