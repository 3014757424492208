"""Matrices cut into squares, and the cosine transform of each square along both axes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.layout import Layout
from fedbytes.compression.numerics.dct import (
    dct,
    dct_rows,
    inverse_dct,
    inverse_dct_rows,
    orthonormal_scales,
)

_BATCH = 1 << 10  # coordinates per batch, or one square if that is larger


@dataclass(frozen=True)
class Squares:
    """A matrix [rows, columns] cut into squares, or rectangles, of height by width."""

    part: slice
    rows: int
    columns: int
    height: int
    width: int

    def runs(self, x: Floats) -> Iterator[Floats]:
        """Yield views [down, across, height, width] of x, in the order of the squares."""
        down, across = self.rows // self.height, self.columns // self.width
        grid = x[self.part].reshape(down, self.height, across, self.width).swapaxes(1, 2)
        together = max(1, _BATCH // (self.height * self.width))
        for top in range(0, down, max(1, together // across)):
            for left in range(0, across, together):
                yield grid[top : top + max(1, together // across), left : left + together]


@lru_cache(maxsize=64)
def cut_squares(layout: Layout, side: int) -> tuple[tuple[Squares, ...], tuple[slice, ...]]:
    """Return the matrices that are cut into squares, and the slices of the rest.

    A tensor of two dimensions or more is a matrix of its first by all others. Height and width of
    its squares are the largest powers of two, at most `side`, that divide its sides. Matrices with
    squares of `side` by `side` come first; those with a height or width of 1 belong to the rest.
    """
    matrices, rest = [], []
    for name, part in layout.slices().items():
        shape = layout.shapes[name]
        rows, columns = (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))
        height, width = (min(extent & -extent, side) for extent in (rows, columns))
        if min(height, width) > 1:
            matrices.append(Squares(part, rows, columns, height, width))
        elif rows * columns:
            rest.append(part)
    matrices.sort(key=lambda m: (m.height, m.width) != (side, side))
    return tuple(matrices), tuple(rest)


def dct_squares(x: Floats, layout: Layout, side: int) -> Floats:
    """Return the coefficients of the squares, square by square, then of the rest in chunks.

    Args:
        x: float32 [layout.numel], magnitudes at most 2^64.
        layout: the tensors.
        side: side of a square and length of a chunk, a power of two.
    """
    matrices, rest = cut_squares(layout, side)
    y, start = np.empty_like(x), 0
    for run in (run for matrix in matrices for run in matrix.runs(x)):
        stop = start + run.size
        y[start:stop] = _forward(run.astype(np.float64)).ravel()
        start = stop
    if rest:
        y[start:] = dct(np.concatenate([x[part] for part in rest]), side)
    return y


def inverse_dct_squares(y: Floats, layout: Layout, side: int) -> Floats:
    """Invert `dct_squares` in place on the coefficients y [layout.numel]."""
    matrices, rest = cut_squares(layout, side)
    x, start = np.empty_like(y), 0
    with np.errstate(all="ignore"):  # damaged payloads overflow; `Codec.decode` refuses the result
        for run in (run for matrix in matrices for run in matrix.runs(x)):
            stop = start + run.size
            run[:] = _inverse(y[start:stop].reshape(run.shape).astype(np.float64))
            start = stop
    inverse_dct(y[start:], side)
    for part in rest:
        stop = start + part.stop - part.start
        x[part] = y[start:stop]
        start = stop
    y[:] = x  # frees x, so that the caller holds one vector
    return y


def _forward(x: Doubles) -> Doubles:
    """Transform along each row, then along each column."""
    return _forward_rows(_forward_rows(x).swapaxes(-1, -2)).swapaxes(-1, -2)


def _inverse(y: Doubles) -> Doubles:
    """Invert along each column, then along each row."""
    return _inverse_rows(_inverse_rows(y.swapaxes(-1, -2)).swapaxes(-1, -2))


def _forward_rows(x: Doubles) -> Doubles:
    size = x.shape[-1]
    return (dct_rows(x.reshape(-1, size)) * orthonormal_scales(size)).reshape(x.shape)


def _inverse_rows(y: Doubles) -> Doubles:
    size = y.shape[-1]
    return inverse_dct_rows(y.reshape(-1, size) * orthonormal_scales(size)).reshape(y.shape)
