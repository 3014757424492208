"""Rank-one components of a matrix: found, quantised, and put together again.

A component u y^T has a row part u of about unit length and a column part y that is quantised with
the message's step. The row part is quantised so finely that an error in it costs as much as one
in y: the step of u is the message's step over the length of y. Both follow from one small number.
What quantising leaves behind is for whatever codes the rest of the matrix.
"""

import math

import numpy as np

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.codecs.lora_klt.eigen import eigen
from fedbytes.compression.codecs.lora_klt.loops.rotation_loops import rotate_rows
from fedbytes.compression.codecs.lora_klt.matrices import exact_gram, round_to_integers

_BITS = 13  # of the integers that stand for a matrix while its directions are sought
_DIRECT = 96  # matrices with more rows than this are projected first
_MOST = 64  # components of one matrix that are sought
_SPARE = 8
_PASSES = 3
_FINEST = 2.0**-20  # step of u
_TYPICAL = 0.75  # mean square of y in squared steps, over the 2^code that bounds it


def most_components(rows: int, columns: int) -> int:
    """Return how many components a matrix may have."""
    return min(min(rows, columns) // 2, _MOST)


def binary_exponent(ratio: float) -> int:
    """Return the c with 2^(c - 1) <= ratio < 2^c."""
    return int(np.frexp(ratio)[1])


def row_step(code: int, columns: int) -> float:
    """Return the step of u for a component whose y has a mean square of about 2^code steps^2."""
    return max(1.0 / math.sqrt(_TYPICAL * 2.0**code * columns), _FINEST)


def leading_components(matrix: Floats) -> tuple[Doubles, Doubles]:
    """Return the leading left singular vectors as columns, and their energies, falling.

    The same on every platform: products are of integers that float64 holds exactly.
    """
    whole, exponent = round_to_integers(matrix, _BITS)
    rows, columns = whole.shape
    most = most_components(rows, columns)
    if most == 0 or not whole.any():
        return np.empty((rows, 0)), np.empty(0)
    if rows <= _DIRECT:
        values, vectors = eigen(exact_gram(whole))
        return vectors[:, :most], np.ldexp(values[:most], -2 * exponent)
    return _leading_by_iteration(whole, min(most + _SPARE, rows, columns), most, exponent)


def _leading_by_iteration(
    whole: Doubles, width: int, most: int, exponent: int
) -> tuple[Doubles, Doubles]:
    """Return `leading` of a tall matrix by subspace iteration (Halko et al. 2011)."""
    columns = whole.shape[1]
    found = np.random.default_rng(0).integers(-64, 65, (width, columns)).astype(np.float64)
    for _ in range(_PASSES):
        left = _orthonormal_integers(found @ whole.T)
        found = round_to_integers(left @ whole, _BITS)[0]
    left = _orthonormal_integers(found @ whole.T)
    inside, shift = round_to_integers(left @ whole, _BITS)
    values, vectors = eigen(exact_gram(inside))
    rotated = np.empty(left.shape, np.float32)
    rotate_rows(np.ascontiguousarray(vectors.T), left.astype(np.float32), rotated)
    rotated = rotated[:most] / np.float32(1 << _BITS)
    energies = np.ldexp(values[:most], -2 * (exponent + shift + _BITS))
    return rotated.T.astype(np.float64), energies


def _orthonormal_integers(rows: Doubles) -> Doubles:
    """Return rows of the same span that are about orthonormal times 2^13, as integers."""
    whole = np.stack([round_to_integers(row, _BITS)[0] for row in rows])
    values, vectors = eigen(exact_gram(whole))
    lengths = np.sqrt(np.maximum(values, values[0] * 2.0**-30))
    rotated = np.empty(whole.shape, np.float32)
    rotate_rows(np.ascontiguousarray((vectors / lengths).T), whole.astype(np.float32), rotated)
    return np.rint(rotated.astype(np.float64) * (1 << _BITS))
