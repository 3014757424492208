"""The count-sketch (Charikar et al. 2002): a vector hashed into a small table, which is linear.

Each row of the table adds every coordinate, with a sign, to one of its cells. 32 random bits per
row and coordinate select both: the lowest is the sign (1 for minus), the others, u < 2^31, the cell
floor(u * columns / 2^31). They are drawn coordinate by coordinate, all rows of one together.
"""

from collections.abc import Iterator

import numpy as np

from fedbytes.arrays import Floats, UInt32s, UInt64s
from fedbytes.compression.codecs.sketch.loops import add_to_cells, read_medians

_CHUNK = 1 << 13


def sketch_vector(x: Floats, rows: int, columns: int, generator: np.random.Generator) -> Floats:
    """Return the table [rows, columns] of x [n], summed in order in float64."""
    table = np.zeros((rows, columns))
    for part, words in _words(x.size, rows, generator):
        add_to_cells(x[part], words, table)
    return table.astype(np.float32)


def estimate_vector(table: Floats, n: int, generator: np.random.Generator) -> Floats:
    """Estimate the vector [n] of a table: each coordinate is the median over the rows.

    For an even number of rows, the mean of the middle two. The generator must be in the state that
    it had for `sketch_vector`.
    """
    y, rows = np.empty(n, np.float32), table.shape[0]
    scratch = np.empty((rows, min(n, _CHUNK)), np.float32)
    for part, words in _words(n, rows, generator):
        read_medians(table, words, scratch, y[part])
    return y


def _words(n: int, rows: int, generator: np.random.Generator) -> Iterator[tuple[slice, UInt32s]]:
    for start in range(0, n, _CHUNK):
        size = min(_CHUNK, n - start)
        # What integers(0, 2^32, (size, rows), uint32) draws, in two thirds of the time: the low
        # half of each 64 bits comes first, and only the last chunk may leave a half unused.
        halves: UInt64s = generator.bit_generator.random_raw((size * rows + 1) // 2)
        words = halves.astype("<u8", copy=False).view("<u4")[: size * rows]
        yield slice(start, start + size), words.reshape(size, rows)
