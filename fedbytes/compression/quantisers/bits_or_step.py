"""The two ways to set a quantiser's resolution: bits per coordinate, or a step."""

from typing import Any


def check_bits_or_step(codec: Any, default: float) -> None:
    """Give a codec's field `bits` its default where it has neither `bits` nor `step`.

    Args:
        codec: a frozen dataclass with the fields `bits` and `step`, None if not given.
        default: bits.

    Raises:
        ValueError: if both are given.
    """
    if codec.bits is None and codec.step is None:
        object.__setattr__(codec, "bits", default)
    if codec.bits is not None and codec.step is not None:
        raise ValueError(
            f"{codec.name}: give bits (target rate) or step (multiple of the rms), and not both; "
            f"got bits={codec.bits}, step={codec.step}"
        )
