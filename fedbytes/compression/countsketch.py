"""The count-sketch (Charikar et al. 2002): a vector hashed into a small table, which is linear.

Each of a table's rows adds every coordinate, under a sign, to one of its cells. 32 random bits a
row and coordinate say which: the lowest is the sign (1 for minus), the others, u of 2^31, the cell
floor(u * columns / 2^31). Coordinate by coordinate, each coordinate's rows together.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .core import Floats
from .kernels import kernel

_CHUNK = 1 << 14


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
    y = np.empty(n, np.float32)
    for part, words in _words(n, table.shape[0], generator):
        _medians(table, words, y[part])
    return y


def _words(
    n: int, rows: int, generator: np.random.Generator
) -> Iterator[tuple[slice, npt.NDArray[np.uint32]]]:
    for start in range(0, n, _CHUNK):
        size = min(_CHUNK, n - start)
        words = generator.integers(0, 1 << 32, (size, rows), np.uint32)
        yield slice(start, start + size), words


def _cells(
    words: npt.NDArray[np.uint32], columns: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    cells: npt.NDArray[np.int64] = (words >> np.uint32(1)).astype(np.int64) * columns >> 31
    return cells, 1.0 - 2.0 * (words & np.uint32(1))


def _scatter_numpy(
    x: Floats, words: npt.NDArray[np.uint32], table: npt.NDArray[np.float64]
) -> None:
    cells, signs = _cells(words, table.shape[1])
    for row in range(table.shape[0]):
        np.add.at(table[row], cells[:, row], signs[:, row] * x)


def _medians_numpy(table: Floats, words: npt.NDArray[np.uint32], y: Floats) -> None:
    cells, signs = _cells(words, table.shape[1])
    found = np.sort(signs * table[np.arange(table.shape[0]), cells], axis=1)
    last = table.shape[0] - 1
    y[:] = (found[:, last // 2] + found[:, (last + 1) // 2]) / 2


# No branches on the data: signs and order are as good as random.


@kernel(_scatter_numpy)
def _scatter(x, words, table):  # type: ignore[no-untyped-def]
    columns = np.int64(table.shape[1])
    for i in range(x.size):
        for row in range(table.shape[0]):
            word = np.int64(words[i, row])
            sign = np.float64(1 - 2 * (word & 1))
            table[row, ((word >> 1) * columns) >> 31] += sign * np.float64(x[i])


@kernel(_medians_numpy)
def _medians(table, words, y):  # type: ignore[no-untyped-def]
    columns, rows = np.int64(table.shape[1]), table.shape[0]
    found = np.empty(rows, np.float64)
    for i in range(y.size):
        for row in range(rows):
            word = np.int64(words[i, row])
            value = np.float64(table[row, ((word >> 1) * columns) >> 31])
            value = value * np.float64(1 - 2 * (word & 1))
            for place in range(row):  # keeps what is found so far in order
                other = found[place]
                found[place] = other if other < value else value
                value = value if other < value else other
            found[row] = value
        y[i] = np.float32((found[(rows - 1) // 2] + found[rows // 2]) / 2)
