"""The tensors of a layout that are sent as two thin factors, and the vector of all factors."""

import functools
import math
from dataclasses import dataclass
from math import prod

import numpy as np

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.codecs.powersgd.products import (
    add_products,
    orthonormal_rows,
    project_columns,
    project_rows,
    row_norms,
)
from fedbytes.compression.layout import Layout
from fedbytes.compression.numerics.squared_norm import squared_norm

_FAIR = 0.25  # of the energy expected of random directions; a worse warm start is discarded
_LITTLE = 2.0**-8  # random part of a warm start, relative to its length


@dataclass(frozen=True)
class Piece:
    """One tensor: its slice of the vector, and its slice of the vector of factors.

    Attributes:
        where: slice of the full vector.
        shape: as a matrix, (m, n).
        rank: number of directions; 0 if the tensor is sent unfactored.
        coded: slice of the vector of factors: p [rank, m], then q [rank, n], or the tensor.
    """

    where: slice
    shape: tuple[int, int]
    rank: int
    coded: slice


class FactorPlan:
    """The factorisation of a layout's tensors at a rank.

    A tensor of at least two axes is a matrix [first, rest] with `rank` directions, at most its
    smaller side; where factors would not be shorter, it is sent unfactored.

    Attributes:
        pieces: the tensors, in order.
        layout: of the vector of factors.
    """

    def __init__(self, layout: Layout, rank: int) -> None:
        self.pieces: list[Piece] = []
        shapes: dict[str, tuple[int, ...]] = {}
        at = 0
        slices = layout.slices()
        for name, shape in layout.shapes.items():
            m, n = (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))
            directions = min(rank, m, n)
            if directions * (m + n) >= m * n:
                directions = 0
                shapes[str(len(shapes))] = shape
            else:
                shapes[str(len(shapes))] = (directions, m)
                shapes[str(len(shapes))] = (directions, n)
            size = directions * (m + n) or m * n
            self.pieces.append(Piece(slices[name], (m, n), directions, slice(at, at + size)))
            at += size
        self.layout = Layout(shapes)

    def factor(
        self, x: Floats, reference: Floats | None, generator: np.random.Generator, iterations: int
    ) -> tuple[Floats, float]:
        """Return the vector of factors of x, and the energy of x that they hold."""
        out = np.empty(self.layout.numel, np.float32)
        kept = 0.0
        for piece in self.pieces:
            tensor = x[piece.where]
            if not piece.rank:
                out[piece.coded] = tensor
                kept += squared_norm(tensor)
                continue
            before = None if reference is None else reference[piece.where].reshape(piece.shape)
            p, q = _factor_matrix(
                tensor.reshape(piece.shape), before, generator, piece.rank, iterations
            )
            sizes = row_norms(q)
            out[piece.coded] = np.concatenate(((p * sizes[:, None]).ravel(), q.ravel()))
            kept += float((sizes**2).sum())
        return out, kept

    def expand(self, factors: Floats, numel: int) -> Floats:
        """Return the float32 [numel] vector that the factors represent."""
        y = np.zeros(numel, np.float32)
        for piece in self.pieces:
            part = factors[piece.coded]
            if not piece.rank:
                y[piece.where] = part
                continue
            split = piece.rank * piece.shape[0]
            p, q = part[:split].reshape(piece.rank, -1), part[split:].reshape(piece.rank, -1)
            sizes = row_norms(q)
            unit = q / np.where(sizes > 0, sizes, 1)[:, None]
            add_products(p, unit.astype(np.float32), y[piece.where].reshape(piece.shape))
        return y


@functools.lru_cache(8)
def plan_factors(layout: Layout, rank: int) -> FactorPlan:
    """Return the cached plan of a layout at a rank."""
    return FactorPlan(layout, rank)


def _factor_matrix(
    matrix: Floats,
    before: Floats | None,
    generator: np.random.Generator,
    rank: int,
    iterations: int,
) -> tuple[Doubles, Doubles]:
    """Return p [rank, m], orthonormal rows or zeros, and q = p matrix [rank, n]."""
    fair = _FAIR * rank / min(matrix.shape) * squared_norm(matrix.ravel())
    random = generator.random((rank, matrix.shape[1])) - 0.5  # exact, unlike normal numbers
    if before is not None and before.any():
        p, q = _iterate(matrix, _right_factor(before, random), iterations)
        if (row_norms(q) ** 2).sum() >= fair:
            return p, q
    return _iterate(matrix, random, iterations)


def _iterate(matrix: Floats, q: Doubles, iterations: int) -> tuple[Doubles, Doubles]:
    for _ in range(iterations):
        p = orthonormal_rows(project_rows(matrix, q))
        q = project_columns(matrix, p)
    return p, q


def _right_factor(matrix: Floats, random: Doubles) -> Doubles:
    """Return approximate leading right directions [rank, n] of a matrix, plus a little noise.

    The noise finds components that the directions miss, and fills in missing directions.
    """
    q = orthonormal_rows(project_columns(matrix, orthonormal_rows(project_rows(matrix, random))))
    return q + random * (_LITTLE / math.sqrt(random.shape[1]))
