"""Matrix products and Gram-Schmidt in one fixed order, so that every platform gets equal bits.

Matrices are float32 [m, n]. Factors have one direction a row: p is [rank, m] and q [rank, n], and
stand for the sum of the outer products p_k q_k. A BLAS would add in an order of its own.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.numerics.kernels import kernel

_DEPENDENT = 1e-12  # share of a direction's energy below which it lies in the span of the others
_TILE = 64


def project_rows(matrix: Floats, q: Doubles) -> Doubles:
    """Return q matrix^T [rank, m]: each direction's product with each row."""
    out = np.zeros((q.shape[0], matrix.shape[0]))
    _rows(matrix, q, out)
    return out


def project_columns(matrix: Floats, p: Doubles) -> Doubles:
    """Return p matrix [rank, n]: each direction's product with each column."""
    out = np.zeros((p.shape[0], matrix.shape[1]))
    _columns(matrix, p, out)
    return out


def orthonormal(directions: Doubles) -> Doubles:
    """Return the rows made orthonormal, first to last; one that depends on others becomes zero."""
    out = directions.copy()
    _gram_schmidt(out)
    return out


def norms(directions: npt.NDArray[Any]) -> Doubles:
    """Return the Euclidean norm of each row [rank]."""
    return np.sqrt([_dot(row, row) for row in directions.astype(np.float64)])


def add_products(p: Floats, q: Floats, out: Floats) -> None:
    """Add the outer products of p's and q's rows to out [m, n], one after another in float32."""
    _outer(p, q, out)


def _dot(a: Doubles, b: Doubles) -> float:
    return float(np.add.accumulate(a * b)[-1]) if a.size else 0.0  # which adds first to last


def _rows_numpy(matrix: Floats, q: Doubles, out: Doubles) -> None:
    for j in range(matrix.shape[1]):
        out += q[:, j, None] * matrix[:, j].astype(np.float64)


def _columns_numpy(matrix: Floats, p: Doubles, out: Doubles) -> None:
    for i in range(matrix.shape[0]):
        out += p[:, i, None] * matrix[i].astype(np.float64)


def _gram_schmidt_numpy(out: Doubles) -> None:
    for k in range(out.shape[0]):
        before = _dot(out[k], out[k])
        for other in range(k):
            out[k] -= _dot(out[k], out[other]) * out[other]
        after = _dot(out[k], out[k])
        out[k] = out[k] / np.sqrt(after) if after > _DEPENDENT * before else 0


def _outer_numpy(p: Floats, q: Floats, out: Floats) -> None:
    for k in range(p.shape[0]):
        for i in range(out.shape[0]):
            out[i] += p[k, i] * q[k]


@kernel(_rows_numpy)
def _rows(matrix, q, out):  # type: ignore[no-untyped-def]
    # Tiles are transposed, so that neighbouring sums grow side by side in one order each.
    tile = np.empty((_TILE, _TILE), np.float64)
    for top in range(0, matrix.shape[0], _TILE):
        height = min(_TILE, matrix.shape[0] - top)
        for left in range(0, matrix.shape[1], _TILE):
            width = min(_TILE, matrix.shape[1] - left)
            for i in range(height):
                row = matrix[top + i, left : left + width]
                for j in range(width):
                    tile[j, i] = row[j]
            for k in range(q.shape[0]):
                sums = out[k, top : top + height]
                for j in range(width):
                    weight, column = q[k, left + j], tile[j]
                    for i in range(height):
                        sums[i] += weight * column[i]


@kernel(_columns_numpy)
def _columns(matrix, p, out):  # type: ignore[no-untyped-def]
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for k in range(p.shape[0]):
            weight, sums = p[k, i], out[k]
            for j in range(row.size):
                sums[j] += weight * np.float64(row[j])


@kernel(_gram_schmidt_numpy)
def _gram_schmidt(out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        row = out[k]
        before = 0.0
        for i in range(row.size):
            before += row[i] * row[i]
        for other in range(k):
            fixed, share = out[other], 0.0
            for i in range(row.size):
                share += row[i] * fixed[i]
            for i in range(row.size):
                row[i] -= share * fixed[i]
        after = 0.0
        for i in range(row.size):
            after += row[i] * row[i]
        keep = after > _DEPENDENT * before
        norm = np.sqrt(after)
        for i in range(row.size):
            row[i] = row[i] / norm if keep else 0.0


@kernel(_outer_numpy)
def _outer(p, q, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        row = out[i]
        for k in range(p.shape[0]):
            weight, other = p[k, i], q[k]
            for j in range(row.size):
                row[j] += weight * other[j]
