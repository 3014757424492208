"""Matrices cut into squares, and the cosine transform of each along both of its sides."""

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

_TOGETHER = 1 << 10  # numbers that are transformed at a time, if a square has no more


@dataclass(frozen=True)
class Squares:
    """A matrix [rows, columns] that is cut into squares, or rectangles, of height by width."""

    place: slice
    rows: int
    columns: int
    height: int
    width: int

    def runs(self, x: Floats) -> Iterator[Floats]:
        """Yield views [down, across, height, width] of x, in the order of the squares."""
        down, across = self.rows // self.height, self.columns // self.width
        grid = x[self.place].reshape(down, self.height, across, self.width).swapaxes(1, 2)
        together = max(1, _TOGETHER // (self.height * self.width))
        for top in range(0, down, max(1, together // across)):
            for left in range(0, across, together):
                yield grid[top : top + max(1, together // across), left : left + together]


@lru_cache(maxsize=64)
def cut_squares(layout: Layout, side: int) -> tuple[tuple[Squares, ...], tuple[slice, ...]]:
    """Return the matrices that are cut into squares, and where the rest of the vector is.

    A tensor of two dimensions or more is a matrix of its first by all others. Its squares are as
    high and as wide as the largest powers of two, at most `side`, that divide it. Those of `side`
    by `side` come first. A matrix with a side of 1 is no matrix but rest.
    """
    matrices, rest = [], []
    for name, place in layout.slices().items():
        shape = layout.shapes[name]
        rows, columns = (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))
        height, width = (min(extent & -extent, side) for extent in (rows, columns))
        if min(height, width) > 1:
            matrices.append(Squares(place, rows, columns, height, width))
        elif rows * columns:
            rest.append(place)
    matrices.sort(key=lambda m: (m.height, m.width) != (side, side))
    return tuple(matrices), tuple(rest)


def dct_squares(x: Floats, layout: Layout, side: int) -> Floats:
    """Return the coefficients of the squares, square by square, and of the rest in chunks.

    Args:
        x: float32 [layout.numel], magnitudes at most 2^64.
        layout: the tensors.
        side: of a square and of a chunk, a power of two.
    """
    matrices, rest = cut_squares(layout, side)
    y, start = np.empty_like(x), 0
    for run in (run for matrix in matrices for run in matrix.runs(x)):
        stop = start + run.size
        y[start:stop] = _forward(run.astype(np.float64)).ravel()
        start = stop
    if rest:
        y[start:] = dct(np.concatenate([x[place] for place in rest]), side)
    return y


def inverse_dct_squares(y: Floats, layout: Layout, side: int) -> Floats:
    """Return the vector [layout.numel] that has the coefficients y, in its place."""
    matrices, rest = cut_squares(layout, side)
    x, start = np.empty_like(y), 0
    with np.errstate(all="ignore"):  # of damaged payloads; what is not finite is refused later
        for run in (run for matrix in matrices for run in matrix.runs(x)):
            stop = start + run.size
            run[:] = _inverse(y[start:stop].reshape(run.shape).astype(np.float64))
            start = stop
    inverse_dct(y[start:], side)
    for place in rest:
        stop = start + place.stop - place.start
        x[place] = y[start:stop]
        start = stop
    y[:] = x  # so that what comes after has one vector to hold, and not two
    return y


def _forward(x: Doubles) -> Doubles:
    """Return the coefficients, along each row and then along each column."""
    return _forward_rows(_forward_rows(x).swapaxes(-1, -2)).swapaxes(-1, -2)


def _inverse(y: Doubles) -> Doubles:
    """Return what has these coefficients, along each column and then along each row."""
    return _inverse_rows(_inverse_rows(y.swapaxes(-1, -2)).swapaxes(-1, -2))


def _forward_rows(x: Doubles) -> Doubles:
    size = x.shape[-1]
    return (dct_rows(x.reshape(-1, size)) * orthonormal_scales(size)).reshape(x.shape)


def _inverse_rows(y: Doubles) -> Doubles:
    size = y.shape[-1]
    return inverse_dct_rows(y.reshape(-1, size) * orthonormal_scales(size)).reshape(y.shape)
