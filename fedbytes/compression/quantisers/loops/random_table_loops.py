"""Coordinates rounded to the columns of a table, and looked up again."""

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt8s
from fedbytes.compression.numerics.kernels import kernel

_PIECE = 512


def _round_to_columns_numpy(
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


def _look_up_columns_numpy(
    codes: UInt8s, borders: Int64s, scales: Floats, table: Floats, rows: UInt8s, y: Floats
) -> None:
    np.multiply(table[rows, codes], np.repeat(scales, np.diff(borders)), out=y)


@kernel(_round_to_columns_numpy)
def round_to_columns(y, borders, factors, lows, widths, limit, rows, noise, codes, beyond):
    """Write the column that each coordinate is rounded to, and whether it is out of range."""
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


@kernel(_look_up_columns_numpy)
def look_up_columns(codes, borders, scales, table, rows, y):
    """Write table[row, code] times the scale of the group."""
    for g in range(scales.size):
        scale = scales[g]
        for i in range(borders[g], borders[g + 1]):
            y[i] = table[rows[i], codes[i]] * scale
