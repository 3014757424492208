"""The rate of each codec in bits a value, as measured from what was sent up."""

import re

import numpy as np
import pandas as pd

from fedbytes.plots.method_looks import registered_name

_PLAIN, _BITS = "fp32", 32
_SAYS_RATE = re.compile(r"\d\s*bits?\b(?!=)")
_KEYS = ("suite", "task", "model", "adapter", "algorithm", "partition", "alpha", "seed", "round")


def measure_rates(results: pd.DataFrame) -> dict[str, float]:
    """Return bits a value of codecs, by their label: 32 times what they send over what fp32 sends.

    The bytes are those that clients send up until the same round, framing and metrics included, and
    the rate the median over runs. Without a run that sends fp32 up there is none.
    """
    keys = [key for key in _KEYS if key in results]
    if results.empty or "uplink" not in results or "up_bytes" not in results:
        return {}
    rows = results[results["up_bytes"] > 0]
    if "label" in rows:  # labels stand for adapters and algorithms too, which send other sizes
        rows = rows[rows["label"].isna()]
    last = rows[rows["round"] == rows.groupby("run")["round"].transform("max")]
    plain = last[last["uplink"] == _PLAIN].drop_duplicates(keys)
    pairs = last.merge(plain[[*keys, "up_bytes"]], on=keys, suffixes=("", "_plain"))
    ratio = _BITS * pairs["up_bytes"] / pairs["up_bytes_plain"]
    found = ratio.groupby(pairs["codec"].astype(str)).median()
    return {str(codec): float(bits) for codec, bits in found.items() if np.isfinite(bits)}


def add_rate(label: str, bits: float | None) -> str:
    """Return a codec's label with its rate, unless it says one, is fp32 or no codec at all."""
    name = registered_name(label)
    if bits is None or name in (None, _PLAIN) or _SAYS_RATE.search(label):
        return label
    return f"{label}, {bits:.2g}\N{NO-BREAK SPACE}bit" if bits < 100 else label
