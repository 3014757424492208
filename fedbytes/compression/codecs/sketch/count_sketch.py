"""The count-sketch (Charikar et al. 2002): a vector hashed into a small table, which is linear.

Each of a table's rows adds every coordinate, under a sign, to one of its cells. 32 random bits a
row and coordinate say which: the lowest is the sign (1 for minus), the others, u of 2^31, the cell
floor(u * columns / 2^31). Coordinate by coordinate, each coordinate's rows together.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats, Int64s, UInt32s, UInt64s
from fedbytes.compression.numerics.kernels import kernel

_CHUNK = 1 << 13


def sketch(x: Floats, rows: int, columns: int, generator: np.random.Generator) -> Floats:
    """Return the table [rows, columns] of x [n], summed in double precision in order."""
    table = np.zeros((rows, columns))
    for part, words in _words(x.size, rows, generator):
        _scatter(x[part], words, table)
    return table.astype(np.float32)


def estimate(table: Floats, n: int, generator: np.random.Generator) -> Floats:
    """Return the vector [n] whose table it is, each coordinate the median over the rows.

    Of an even number of rows, the mean of the middle two. The same generator as for `sketch`.
    """
    y, rows = np.empty(n, np.float32), table.shape[0]
    scratch = np.empty((rows, min(n, _CHUNK)), np.float32)
    for part, words in _words(n, rows, generator):
        _medians(table, words, scratch, y[part])
    return y


def _words(n: int, rows: int, generator: np.random.Generator) -> Iterator[tuple[slice, UInt32s]]:
    for start in range(0, n, _CHUNK):
        size = min(_CHUNK, n - start)
        # What integers(0, 2^32, (size, rows), uint32) draws, in two thirds of the time: the low
        # half of each 64 bits comes first, and only the last chunk may leave a half unused.
        halves: UInt64s = generator.bit_generator.random_raw((size * rows + 1) // 2)
        words = halves.astype("<u8", copy=False).view("<u4")[: size * rows]
        yield slice(start, start + size), words.reshape(size, rows)


def _cells(words: UInt32s, columns: int) -> tuple[Int64s, npt.NDArray[Any]]:
    cells: Int64s = (words >> np.uint32(1)).astype(np.int64) * columns >> 31
    return cells, 1.0 - 2.0 * (words & np.uint32(1))


def _scatter_numpy(x: Floats, words: UInt32s, table: Doubles) -> None:
    cells, signs = _cells(words, table.shape[1])
    for row in range(table.shape[0]):
        np.add.at(table[row], cells[:, row], signs[:, row] * x)


def _medians_numpy(table: Floats, words: UInt32s, scratch: Floats, y: Floats) -> None:
    cells, signs = _cells(words, table.shape[1])
    found = np.sort(signs * table[np.arange(table.shape[0]), cells], axis=1)
    last = table.shape[0] - 1
    y[:] = (found[:, last // 2] + found[:, (last + 1) // 2]) / 2


# Row by row, so that one row of the table is in the cache, and without branches on the data:
# signs and order are as good as random.


@kernel(_scatter_numpy)
def _scatter(x, words, table):  # type: ignore[no-untyped-def]
    columns, one, shift = np.uint64(table.shape[1]), np.uint64(1), np.uint64(31)
    for row in range(table.shape[0]):
        line = table[row]
        for i in range(x.size):
            word, value = np.uint64(words[i, row]), np.float64(x[i])
            line[((word >> one) * columns) >> shift] += -value if word & one else value


@kernel(_medians_numpy)
def _medians(table, words, scratch, y):  # type: ignore[no-untyped-def]
    columns, one, shift = np.uint64(table.shape[1]), np.uint64(1), np.uint64(31)
    rows = table.shape[0]
    for row in range(rows):
        line, into = table[row], scratch[row]
        for i in range(y.size):
            word = np.uint64(words[i, row])
            into[i] = line[((word >> one) * columns) >> shift] * np.float32(
                1 - 2 * np.int32(word & one)
            )
    for turn in range(rows):  # neighbours in order, odd and even places in turn
        for row in range(turn % 2, rows - 1, 2):
            lower, upper = scratch[row], scratch[row + 1]
            for i in range(y.size):
                a, b = lower[i], upper[i]
                lower[i] = a if a < b else b
                upper[i] = b if a < b else a
    lower, upper = scratch[(rows - 1) // 2], scratch[rows // 2]
    for i in range(y.size):
        y[i] = np.float32((np.float64(lower[i]) + np.float64(upper[i])) / 2)
