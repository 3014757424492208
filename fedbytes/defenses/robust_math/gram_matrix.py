"""Inner products and mixtures of long vectors, a block of columns at a time, in float64.

The memory is that of a block: no matrix of all coordinates is copied, and none of differences made.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from fedbytes.arrays import Doubles

Vectors = Sequence[Tensor]
"""Vectors of one length, float32 [numel] each."""

_COLUMNS = 16_384  # 20 rows of a block in float64 are 2.6 MB: they stay in the cache


def column_blocks(rows: Vectors) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of columns, each where it lies and as a tensor [rows, columns] of its own."""
    for start in range(0, len(rows[0]), _COLUMNS):
        where = slice(start, start + _COLUMNS)
        yield where, torch.stack([row[where] for row in rows])


def gram_matrix(rows: Vectors) -> Doubles:
    """Return the inner product of each two rows [rows, rows]."""
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for _, block in column_blocks(rows):
        exact = block.double()
        total.addmm_(exact, exact.T)
    found: Doubles = ((total + total.T) / 2).numpy()  # to the last bit the same both ways
    return found


def squared_distances(gram: Doubles) -> Doubles:
    """Return the squared distance of each two rows [rows, rows], by their inner products.

    It is exact to about 1e-16 of the rows' squared norms, so two rows that are nearly the same are
    at a distance of 1e-8 of their norm or less.
    """
    squares = np.diag(gram)
    return np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0.0)


def cosines(gram: Doubles) -> Doubles:
    """Return the cosine of each two rows [rows, rows]; 0 with a row that is zero."""
    norms = np.sqrt(np.maximum(np.diag(gram), 0.0))
    found: Doubles = gram / np.maximum(np.outer(norms, norms), 1e-300)
    return found


def distances_to(gram: Doubles, weights: Doubles) -> Doubles:
    """Return the distance of each row [rows] to the sum of rows under `weights` [rows]."""
    cross = gram @ weights
    squared = np.diag(gram) - 2 * cross + weights @ cross
    return np.sqrt(np.maximum(squared, 0.0))


def mix(rows: Vectors, weights: Doubles) -> list[Tensor]:
    """Return sums of the rows, one for each row of `weights` [sums, rows].

    A row of weight 0 is not looked at, so that one of 1e38 leaves no trace.
    """
    numel = len(rows[0])
    made = [torch.empty(numel, dtype=torch.float32) for _ in weights]
    factors = torch.from_numpy(np.ascontiguousarray(weights))
    for where, block in column_blocks(rows):
        for out, mixed in zip(made, factors @ block.double(), strict=True):
            out[where] = mixed
    return made


def mean_of(rows: Vectors) -> Tensor:
    """Return the mean of the rows [numel], each counted once."""
    return mix(rows, np.full((1, len(rows)), 1 / len(rows)))[0]
