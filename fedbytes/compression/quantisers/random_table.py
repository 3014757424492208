"""Unbiased rounding of bounded values to tables of integers, with or without shared randomness.

A table holds, for each of K values h of the shared randomness, m ascending integers, and the mean
over h of its last (first) column is the largest (smallest) value that can be represented. A value
is rounded so that the mean over h and over the sender's own randomness is the value itself, and
the mean square is the least that the table allows: all rows round one common point to their
nearest entries, and the point moves until the mean is right (Ben Basat et al. 2024, QUIC-FL, solve
the same programme numerically). With K = 1 this is stochastic rounding.
"""

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt8s
from fedbytes.compression.numerics.kernels import kernel

_PIECE = 512


def intervals(table: Int64s) -> tuple[Floats, Floats]:
    """Return where, and over which width, each row steps to its next entry.

    Args:
        table: int64 [K, m], rows ascending; sums of a column below 2^24.

    Returns:
        float32 [K, m - 1] each, exact, in units of 1 / K of the table's: row h goes from entry j
        to j + 1 with a chance that rises from 0 to 1 over the width. The intervals of all
        rows and entries tile the range of values.
    """
    jumps = np.diff(table, axis=1).ravel()
    order = np.argsort((table[:, 1:] + table[:, :-1]).ravel(), kind="stable")
    lows = np.empty(jumps.size, np.int64)
    lows[order] = table[:, 0].sum() + np.cumsum(jumps[order]) - jumps[order]
    shape = table.shape[0], table.shape[1] - 1
    return lows.reshape(shape).astype(np.float32), jumps.reshape(shape).astype(np.float32)


def quantise(
    y: Floats,
    borders: Int64s,
    factors: Floats,
    table: Int64s,
    rows: UInt8s,
    noise: Floats,
) -> tuple[UInt8s, UInt8s]:
    """Return the columns to which y is rounded, and 1 where y is beyond the table's range.

    Args:
        y: float32 [n].
        borders: of the groups [g + 1], from 0 to n.
        factors: float32 [g] that bring each group to the units of `intervals`.
        table: int64 [K, m], m at most 256.
        rows: uint8 [n], the row that both ends drew for each coordinate.
        noise: float32 [n] in [0, 1), the sender's own randomness.
    """
    lows, widths = (np.ascontiguousarray(part.T) for part in intervals(table))
    limit = np.float32(table[:, -1].sum())
    codes, beyond = np.empty(y.size, np.uint8), np.empty(y.size, np.uint8)
    _quantise(y, borders, factors, lows, widths, limit, rows, noise, codes, beyond)
    return codes, beyond


def dequantise(
    codes: UInt8s, borders: Int64s, scales: Floats, table: Floats, rows: UInt8s
) -> Floats:
    """Return fl(table[row, code] * scale) of each coordinate; `table` is float32 [K, m]."""
    y = np.empty(codes.size, np.float32)
    _dequantise(codes, borders, scales, table, rows, y)
    return y


def _quantise_numpy(
    y: Floats,
    borders: Int64s,
    factors: Floats,
    lows: Floats,
    widths: Floats,
    limit: np.float32,
    rows: UInt8s,
    noise: Floats,
    codes: UInt8s,
    beyond: UInt8s,
) -> None:
    scaled = y * np.repeat(factors, np.diff(borders))
    codes[:] = 0
    for low, width in zip(lows, widths, strict=True):
        codes += scaled > low[rows] + noise * width[rows]
    beyond[:] = np.abs(scaled) > limit


def _dequantise_numpy(
    codes: UInt8s, borders: Int64s, scales: Floats, table: Floats, rows: UInt8s, y: Floats
) -> None:
    np.multiply(table[rows, codes], np.repeat(scales, np.diff(borders)), out=y)


@kernel(_quantise_numpy)
def _quantise(y, borders, factors, lows, widths, limit, rows, noise, codes, beyond):  # type: ignore[no-untyped-def]
    passed = np.empty(_PIECE, np.int32)
    for g in range(factors.size):
        factor = factors[g]
        for start in range(borders[g], borders[g + 1], _PIECE):
            stop = min(start + _PIECE, borders[g + 1])
            part, own, row = y[start:stop], noise[start:stop], rows[start:stop]
            out, far = codes[start:stop], beyond[start:stop]
            for i in range(part.size):
                passed[i] = 0
            for j in range(lows.shape[0]):
                low, width = lows[j], widths[j]
                if low.size == 1:  # spares the look-up
                    first, span = low[0], width[0]
                    for i in range(part.size):
                        passed[i] += np.int32(part[i] * factor > first + own[i] * span)
                else:
                    for i in range(part.size):
                        step = low[row[i]] + own[i] * width[row[i]]
                        passed[i] += np.int32(part[i] * factor > step)
            for i in range(part.size):
                out[i] = np.uint8(passed[i])
                far[i] = np.uint8(abs(part[i] * factor) > limit)


@kernel(_dequantise_numpy)
def _dequantise(codes, borders, scales, table, rows, y):  # type: ignore[no-untyped-def]
    for g in range(scales.size):
        scale = scales[g]
        for i in range(borders[g], borders[g + 1]):
            y[i] = table[rows[i], codes[i]] * scale
