"""The rate of a link below which a codec saves time."""

import math

import pandas as pd

_MEGA = 1e6


def break_even_rate(saved_bits: float, spent_seconds: float) -> float:
    """Return the Mbit/s below which a message is faster with a codec than without.

    It saves `saved_bits` on the wire and takes `spent_seconds` more to encode and decode, than
    the baseline. A codec that saves nothing never pays (0); one that costs no time always (inf).

    Example:
        >>> round(break_even_rate(8 * 294_000, 1.5e-3))
        1568
    """
    if saved_bits <= 0:
        return 0.0
    return math.inf if spent_seconds <= 0 else saved_bits / spent_seconds / _MEGA


def survey_break_even(rates: pd.DataFrame) -> pd.Series:
    """Return the Mbit/s below which each measured codec saves time against fp32.

    Args:
        rates: rows of a survey of codecs: `bits_per_coordinate`, of 32, and `encode_mb_s` and
            `decode_mb_s`, the MB of float32 that one core does in a second.

    Example:
        >>> rates = pd.DataFrame([{"bits_per_coordinate": 4.5, "encode_mb_s": 4000,
        ...                        "decode_mb_s": 8000}])
        >>> survey_break_even(rates).round().tolist()
        [18333.0]
    """
    seconds = 4 / _MEGA / rates["encode_mb_s"] + 4 / _MEGA / rates["decode_mb_s"]
    pairs = zip(32 - rates["bits_per_coordinate"], seconds, strict=True)
    return pd.Series([break_even_rate(*pair) for pair in pairs], index=rates.index)
