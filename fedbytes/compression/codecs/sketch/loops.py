"""Coordinates added to a table's cells, and read back as medians."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats, Int64s, UInt32s
from fedbytes.compression.numerics.kernels import kernel


def _cells(words: UInt32s, columns: int) -> tuple[Int64s, npt.NDArray[Any]]:
    cells: Int64s = (words >> np.uint32(1)).astype(np.int64) * columns >> 31
    return cells, 1.0 - 2.0 * (words & np.uint32(1))


def _add_to_cells_numpy(x: Floats, words: UInt32s, table: Doubles) -> None:
    cells, signs = _cells(words, table.shape[1])
    for row in range(table.shape[0]):
        np.add.at(table[row], cells[:, row], signs[:, row] * x)


def _read_medians_numpy(table: Floats, words: UInt32s, scratch: Floats, y: Floats) -> None:
    rows = table.shape[0]
    cells, signs = _cells(words, table.shape[1])
    found = np.ascontiguousarray((signs * table[np.arange(rows), cells]).T)
    for phase in range(rows):  # as the loop does, so that of 0 and -0 the same one is the median
        for row in range(phase % 2, rows - 1, 2):
            one, other = found[row], found[row + 1]
            less = one < other
            found[row], found[row + 1] = np.where(less, one, other), np.where(less, other, one)
    y[:] = (found[(rows - 1) // 2] + found[rows // 2]) / 2


# Row by row, so that one row of the table is in the cache, and without branches on the data:
# signs and order are as good as random.


@kernel(_add_to_cells_numpy)
def add_to_cells(x, words, table):
    """Add each coordinate, under its sign, to one cell of each row."""
    columns, one, shift = np.uint64(table.shape[1]), np.uint64(1), np.uint64(31)
    for row in range(table.shape[0]):
        line = table[row]
        for i in range(x.size):
            word, value = np.uint64(words[i, row]), np.float64(x[i])
            line[((word >> one) * columns) >> shift] += -value if word & one else value


@kernel(_read_medians_numpy)
def read_medians(table, words, scratch, y):
    """Write the median over the rows of each coordinate's cells."""
    columns, one, shift = np.uint64(table.shape[1]), np.uint64(1), np.uint64(31)
    rows = table.shape[0]
    for row in range(rows):
        line, into = table[row], scratch[row]
        for i in range(y.size):
            word = np.uint64(words[i, row])
            into[i] = line[((word >> one) * columns) >> shift] * np.float32(
                1 - 2 * np.int32(word & one)
            )
    for phase in range(rows):  # odd-even transposition sort of each column
        for row in range(phase % 2, rows - 1, 2):
            lower, upper = scratch[row], scratch[row + 1]
            for i in range(y.size):
                a, b = lower[i], upper[i]
                lower[i] = a if a < b else b
                upper[i] = b if a < b else a
    lower, upper = scratch[(rows - 1) // 2], scratch[rows // 2]
    for i in range(y.size):
        y[i] = np.float32((np.float64(lower[i]) + np.float64(upper[i])) / 2)
