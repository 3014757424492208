"""Matrix products and Gram-Schmidt, each sum in one fixed order."""

import numpy as np

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.numerics.kernels import kernel

_DEPENDENT = 1e-12  # share of energy left below which a direction depends on earlier ones
_TILE = 64


def dot_in_order(a: Doubles, b: Doubles) -> float:
    """Return the dot product, added first to last."""
    return float(np.add.accumulate(a * b)[-1]) if a.size else 0.0


def _multiply_rows_numpy(matrix: Floats, q: Doubles, out: Doubles) -> None:
    for j in range(matrix.shape[1]):
        out += q[:, j, None] * matrix[:, j].astype(np.float64)


def _multiply_columns_numpy(matrix: Floats, p: Doubles, out: Doubles) -> None:
    for i in range(matrix.shape[0]):
        out += p[:, i, None] * matrix[i].astype(np.float64)


def _orthonormalise_numpy(out: Doubles) -> None:
    for k in range(out.shape[0]):
        before = dot_in_order(out[k], out[k])
        for other in range(k):
            out[k] -= dot_in_order(out[k], out[other]) * out[other]
        after = dot_in_order(out[k], out[k])
        out[k] = out[k] / np.sqrt(after) if after > _DEPENDENT * before else 0


def _add_outer_products_numpy(p: Floats, q: Floats, out: Floats) -> None:
    for k in range(p.shape[0]):
        for i in range(out.shape[0]):
            out[i] += p[k, i] * q[k]


@kernel(_multiply_rows_numpy)
def multiply_rows(matrix, q, out):
    """Add q matrix^T to out [rank, m]."""
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


@kernel(_multiply_columns_numpy)
def multiply_columns(matrix, p, out):
    """Add p matrix to out [rank, n]."""
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for k in range(p.shape[0]):
            weight, sums = p[k, i], out[k]
            for j in range(row.size):
                sums[j] += weight * np.float64(row[j])


@kernel(_orthonormalise_numpy)
def orthonormalise(out):
    """Make the rows orthonormal, first to last; dependent ones become zero."""
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


@kernel(_add_outer_products_numpy)
def add_outer_products(p, q, out):
    """Add the outer products of the rows of p and q, one after another."""
    for i in range(out.shape[0]):
        row = out[i]
        for k in range(p.shape[0]):
            weight, other = p[k, i], q[k]
            for j in range(row.size):
                row[j] += weight * other[j]
