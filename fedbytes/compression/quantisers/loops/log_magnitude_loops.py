"""The geometric cell of each value."""

from typing import Any

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.numerics.kernels import kernel

GUESS_SHIFT = 18  # 32 starting points an octave


def _find_cells_numpy(
    values: Floats, patterns: Any, first: int, guesses: Any, edges: Any, codes: Any, sums: Any
) -> None:
    magnitudes = np.abs(values)
    cells = np.searchsorted(edges[:-1], magnitudes, side="right")
    codes[:] = cells << 1 | np.signbit(values)
    sums[0] = np.bincount(cells, minlength=edges.size)
    sums[1] = np.bincount(cells, weights=magnitudes, minlength=edges.size)


@kernel(_find_cells_numpy)
def find_cells(values, patterns, first, guesses, edges, codes, sums):
    """Write cell << 1 | sign of each value; sum members and magnitudes by cell."""
    for i in range(values.size):
        cell = np.uint64(guesses[((patterns[i] & np.int32(0x7FFFFFFF)) >> GUESS_SHIFT) - first])
        magnitude = np.float64(abs(values[i]))
        while magnitude >= edges[cell]:
            cell += np.uint64(1)
        codes[i] = np.uint8(cell << np.uint64(1)) | np.uint8(patterns[i] < 0)
        sums[0, cell] += 1
        sums[1, cell] += magnitude
