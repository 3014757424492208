"""Durations as people write them."""

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Return a duration in seconds, such as of `55m`, `1h30m`, `90s` or `90`.

    Raises:
        ValueError: for anything else.
    """
    written = text.strip().lower()
    parts = _PART.findall(written)
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not parts or "".join(number + unit for number, unit in parts) != written or not total:
        raise ValueError(f"a duration is such as 55m, 1h30m or 90s, got {text!r}")
    return total


def duration_text(seconds: float) -> str:
    """Return a duration as `50 s`, `12 min`, `3.5 h` or `2.1 d`."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} d"
