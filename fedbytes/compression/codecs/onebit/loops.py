"""Columns split by sign into two means, and the means picked again."""

import numpy as np

from fedbytes.arrays import CHUNK, Floats, UInt8s
from fedbytes.compression.numerics.kernels import kernel

_BLOCK = 256  # columns at a time: sums stay in the cache, and rows are read in order


def _split_by_sign_numpy(x: Floats, means: Floats, negative: UInt8s) -> None:
    rows, columns = x.shape
    negative.reshape(columns, rows)[:] = x.T < 0
    below = np.count_nonzero(x < 0, axis=0)
    for side, (clip, count) in enumerate(((np.maximum, rows - below), (np.minimum, below))):
        total = np.zeros(columns)
        step = max(CHUNK // columns, 1)
        for start in range(0, rows, step):
            part = clip(x[start : start + step].astype(np.float64), 0)
            part[0] += total
            total = np.add.accumulate(part, axis=0)[-1]
        means[side] = total / np.maximum(count, 1)


def _pick_by_sign_numpy(negative: UInt8s, means: Floats, y: Floats) -> None:
    rows, columns = y.shape
    y[:] = np.where(negative.reshape(columns, rows).T, means[1], means[0])


@kernel(_split_by_sign_numpy)
def split_by_sign(x, means, negative):
    """Write the means of each column's two sides, and which coordinates are negative."""
    rows, columns = x.shape
    if columns == 1:  # without arrays of sums
        high, low, fewer = 0.0, 0.0, 0
        for row in range(rows):
            value = x[row, 0]
            side = value < 0
            negative[row] = side
            fewer += side
            high += np.float64(0 if side else value)
            low += np.float64(value if side else 0)
        means[0, 0] = np.float32(high / max(rows - fewer, 1))
        means[1, 0] = np.float32(low / max(fewer, 1))
        return
    sums = np.empty((2, _BLOCK), np.float64)
    below = np.empty(_BLOCK, np.int64)
    for start in range(0, columns, _BLOCK):
        width = min(_BLOCK, columns - start)
        sums[:] = 0.0
        below[:] = 0
        for row in range(rows):
            line = x[row]
            for c in range(width):
                value = line[start + c]
                side = value < 0
                negative[(start + c) * rows + row] = side
                below[c] += side
                sums[0, c] += np.float64(0 if side else value)
                sums[1, c] += np.float64(value if side else 0)
        for c in range(width):
            means[0, start + c] = np.float32(sums[0, c] / max(rows - below[c], 1))
            means[1, start + c] = np.float32(sums[1, c] / max(below[c], 1))


@kernel(_pick_by_sign_numpy)
def pick_by_sign(negative, means, y):
    """Write the mean of each coordinate's side."""
    rows, columns = y.shape
    if columns == 1:
        high, low = means[0, 0], means[1, 0]
        flat = y.reshape(rows)
        for row in range(rows):
            flat[row] = low if negative[row] else high
        return
    for start in range(0, columns, _BLOCK):
        stop = min(start + _BLOCK, columns)
        for row in range(rows):
            for c in range(start, stop):  # an index, not a branch: sides are hard to predict
                y[row, c] = means[np.int64(negative[c * rows + row]), c]
