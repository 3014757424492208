"""Unbiased rounding of bounded values to tables of integers, with or without shared randomness.

A table has a row of m ascending integers for each of K values h of the shared randomness; the
means over h of its first and last column bound the values that it can represent. Rounding has the
value as its mean over h and the sender's own randomness, with the least mean square that the
table allows: all rows round one common point to their nearest entries, and the point moves until
the mean is right (Ben Basat et al. 2024, QUIC-FL, solve this programme numerically). With K = 1
this is stochastic rounding.
"""

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt8s
from fedbytes.compression.quantisers.loops.random_table_loops import (
    look_up_columns,
    round_to_columns,
)


def rounding_intervals(table: Int64s) -> tuple[Floats, Floats]:
    """Return the start and the width of the interval in which each row steps to its next entry.

    Args:
        table: int64 [K, m], rows ascending; sums of a column below 2^24.

    Returns:
        float32 [K, m - 1] each, exact, in units of 1 / K: the probability that row h rounds up
        from entry j to j + 1 rises from 0 to 1 over the width. The intervals of all rows and
        entries tile the range of values.
    """
    # In order of their midpoints the jumps of all rows stand end to end.
    jumps = np.diff(table, axis=1).ravel()
    order = np.argsort((table[:, 1:] + table[:, :-1]).ravel(), kind="stable")
    lows = np.empty(jumps.size, np.int64)
    lows[order] = table[:, 0].sum() + np.cumsum(jumps[order]) - jumps[order]
    shape = table.shape[0], table.shape[1] - 1
    return lows.reshape(shape).astype(np.float32), jumps.reshape(shape).astype(np.float32)


def quantise_to_table(
    y: Floats,
    borders: Int64s,
    factors: Floats,
    table: Int64s,
    rows: UInt8s,
    noise: Floats,
) -> tuple[UInt8s, UInt8s]:
    """Return the column that each y rounds to, and 1 where y is outside the table's range.

    Args:
        y: float32 [n].
        borders: of the groups [g + 1], from 0 to n.
        factors: float32 [g], from each group to the units of `rounding_intervals`.
        table: int64 [K, m], m at most 256.
        rows: uint8 [n], the row of each coordinate, which both ends draw.
        noise: float32 [n] in [0, 1), the sender's own randomness.
    """
    lows, widths = (np.ascontiguousarray(part.T) for part in rounding_intervals(table))
    limit = np.float32(table[:, -1].sum())
    codes, beyond = np.empty(y.size, np.uint8), np.empty(y.size, np.uint8)
    round_to_columns(y, borders, factors, lows, widths, limit, rows, noise, codes, beyond)
    return codes, beyond


def dequantise_from_table(
    codes: UInt8s, borders: Int64s, scales: Floats, table: Floats, rows: UInt8s
) -> Floats:
    """Return fl(table[row, code] * scale) of each coordinate; `table` is float32 [K, m]."""
    y = np.empty(codes.size, np.float32)
    look_up_columns(codes, borders, scales, table, rows, y)
    return y
