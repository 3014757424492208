"""Rank-one components of a matrix, and the step of their row parts.

A component u y^T has a row part u of about unit length and a column part y, which is quantised
with the step of the message. The step of u is that step divided by the length of y, so that an
error of u costs as much as one of y. Both follow from one small number, the code. The rest of the
matrix, quantisation error included, is coded by rows.
"""

import math

import numpy as np

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.codecs.lora_klt.eigen import eigen
from fedbytes.compression.codecs.lora_klt.loops.rotation_loops import rotate_rows
from fedbytes.compression.codecs.lora_klt.matrices import exact_gram, round_to_integers

_BITS = 13  # of the integers that represent a matrix in the search for directions
_DIRECT = 96  # rows up to which the Gram matrix is diagonalised without projection
_MOST = 64  # components per matrix
_SPARE = 8
_PASSES = 3
_FINEST = 2.0**-20  # step of u
_TYPICAL = 0.75  # mean square of y in squared steps, as a share of its bound 2^code


def most_components(rows: int, columns: int) -> int:
    """Return the largest number of components of a matrix."""
    return min(min(rows, columns) // 2, _MOST)


def binary_exponent(ratio: float) -> int:
    """Return the c with 2^(c - 1) <= ratio < 2^c."""
    return int(np.frexp(ratio)[1])


def row_step(code: int, columns: int) -> float:
    """Return the step of u if y has a mean square of about 2^code squared steps."""
    return max(1.0 / math.sqrt(_TYPICAL * 2.0**code * columns), _FINEST)


def leading_components(matrix: Floats) -> tuple[Doubles, Doubles]:
    """Return the leading left singular vectors as columns, and their energies, descending.

    Products are of integers that float64 holds exactly, so every platform gets equal bits.
    """
    whole, exponent = round_to_integers(matrix, _BITS)
    rows, columns = whole.shape
    most = most_components(rows, columns)
    if most == 0 or not whole.any():
        return np.empty((rows, 0)), np.empty(0)
    # The Gram matrix has the left singular vectors as eigenvectors.
    if rows <= _DIRECT:
        values, vectors = eigen(exact_gram(whole))
        return vectors[:, :most], np.ldexp(values[:most], -2 * exponent)
    return _leading_by_iteration(whole, min(most + _SPARE, rows, columns), most, exponent)


def _leading_by_iteration(
    whole: Doubles, width: int, most: int, exponent: int
) -> tuple[Doubles, Doubles]:
    """Return leading components of a tall matrix by subspace iteration (Halko et al. 2011)."""
    columns = whole.shape[1]
    found = np.random.default_rng(0).integers(-64, 65, (width, columns)).astype(np.float64)
    # Power iterations with orthonormalisation, on integers throughout.
    for _ in range(_PASSES):
        left = _orthonormal_integers(found @ whole.T)
        found = round_to_integers(left @ whole, _BITS)[0]
    left = _orthonormal_integers(found @ whole.T)
    # Singular vectors of the small projected matrix, rotated back to the rows.
    inside, shift = round_to_integers(left @ whole, _BITS)
    values, vectors = eigen(exact_gram(inside))
    rotated = np.empty(left.shape, np.float32)
    rotate_rows(np.ascontiguousarray(vectors.T), left.astype(np.float32), rotated)
    rotated = rotated[:most] / np.float32(1 << _BITS)
    energies = np.ldexp(values[:most], -2 * (exponent + shift + _BITS))
    return rotated.T.astype(np.float64), energies


def _orthonormal_integers(rows: Doubles) -> Doubles:
    """Return integers that span the same rows and are about orthonormal times 2^13."""
    whole = np.stack([round_to_integers(row, _BITS)[0] for row in rows])
    values, vectors = eigen(exact_gram(whole))
    lengths = np.sqrt(np.maximum(values, values[0] * 2.0**-30))
    rotated = np.empty(whole.shape, np.float32)
    rotate_rows(np.ascontiguousarray((vectors / lengths).T), whole.astype(np.float32), rotated)
    return np.rint(rotated.astype(np.float64) * (1 << _BITS))
