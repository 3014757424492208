"""Measured break-even rates: below which rate of a link the codecs of a store save time."""

import pandas as pd

from fedbytes.plots.break_even_rate import break_even_rate
from fedbytes.plots.link_time.link import wire_bits


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
