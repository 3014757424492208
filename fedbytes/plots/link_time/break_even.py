"""The rate of a link below which a codec saves time."""

import math

import pandas as pd

from fedbytes.plots.link_time.link import MEGA, wire_bits


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
    return math.inf if spent_seconds <= 0 else saved_bits / spent_seconds / MEGA


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
    seconds = 4 / MEGA / rates["encode_mb_s"] + 4 / MEGA / rates["decode_mb_s"]
    pairs = zip(32 - rates["bits_per_coordinate"], seconds, strict=True)
    return pd.Series([break_even_rate(*pair) for pair in pairs], index=rates.index)


def measure_break_even(results: pd.DataFrame, ledger: pd.DataFrame, baseline: str) -> pd.Series:
    """Return the break-even rate of each codec's uploads in Mbit/s, by the codec's label.

    Mean bits and median seconds of all `delta` messages of a codec's runs, compared with those of
    the baseline's. The first message of a process also compiles the codec's loops, which a mean of
    seconds would have in it.

    Args:
        results: of finished runs, with their labels in `codec`.
        ledger: their messages.
        baseline: the label that others are compared with.
    """
    labels = results.drop_duplicates("run").set_index("run")["codec"]
    sent = ledger[(ledger["direction"] == "up") & (ledger["kind"] == "delta")]
    sent = sent.assign(
        codec=sent["run"].map(labels),
        bits=wire_bits(sent["message_bytes"]),
        seconds=sent["encode_seconds"] + sent["decode_seconds"],
    )
    means = sent.groupby("codec").agg({"bits": "mean", "seconds": "median"})
    if baseline not in means.index:
        return pd.Series(dtype=float)
    whole = means.loc[baseline]
    others = means.drop(index=baseline)
    return pd.Series(
        {
            codec: break_even_rate(whole["bits"] - row["bits"], row["seconds"] - whole["seconds"])
            for codec, row in others.iterrows()
        },
        dtype=float,
    )
