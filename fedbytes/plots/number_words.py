"""Numbers in words: values and bytes of any size, in few letters."""

import math

_MOST_BYTES = 1e21  # more are not written as petabytes
_PLAIN = 1e7  # larger values are written as powers of ten


def format_value(value: float, decimals: int) -> str:
    """Return a value with so many decimals, or as a power of ten where it has many digits."""
    if math.isnan(value):
        return "–"
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{decimals}f}" if abs(value) < _PLAIN else f"{value:.3g}"


def format_bytes(count: float, _position: object = None) -> str:
    """Return bytes with an SI unit and three figures: `"1.54 MB"`."""
    if not math.isfinite(count):
        return "–"
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    if abs(count) >= _MOST_BYTES:
        return f"{count:.3g} B"
    power = 0 if abs(count) < 1 else min(int(math.log10(abs(count)) / 3 + 1e-12), len(units) - 1)
    value = float(f"{count / 1000**power:.3g}")
    if abs(value) >= 1000 and power < len(units) - 1:  # 999,999 B rounds to 1 MB
        value, power = value / 1000, power + 1
    return f"{value:g} {units[power]}"
