"""The two ways to set a quantiser's resolution: bits per coordinate, or a step."""

import math
from typing import Any

Range = tuple[float, float]


def check_bits_or_step(codec: Any, bits: Range, step: Range, default: float) -> None:
    """Give a codec's field `bits` its default where it has neither `bits` nor `step`.

    Args:
        codec: a frozen dataclass with the fields `bits` and `step`, None if not given.
        bits: the least and the largest rate.
        step: the least and the largest step.
        default: bits.

    Raises:
        ValueError: if both are given, or one is out of its range.
    """
    if codec.bits is None and codec.step is None:
        object.__setattr__(codec, "bits", default)
    if codec.bits is not None and codec.step is not None:
        raise ValueError(
            f"{codec.name}: give bits (target rate) or step (multiple of the rms), and not both; "
            f"got bits={codec.bits}, step={codec.step}"
        )
    for field, (low, high) in (("bits", bits), ("step", step)):
        value = getattr(codec, field)
        if value is not None and not low <= value <= high:
            raise ValueError(
                f"{codec.name}: {field} must be from {_describe_limit(low)} to "
                f"{_describe_limit(high)}, got {value}"
            )


def _describe_limit(limit: float) -> str:
    power = math.log2(limit)
    return f"2^{power:.0f}" if power < -2 and power == round(power) else f"{limit:g}"
