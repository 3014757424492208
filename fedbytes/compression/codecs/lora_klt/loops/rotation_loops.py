"""Rows of a matrix combined by weights, in float64 and one order."""

import numpy as np

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.numerics.kernels import kernel


def _rotate_rows_numpy(weights: Doubles, matrix: Floats, out: Floats) -> None:
    for row, into in zip(weights, out, strict=True):
        total = np.zeros(matrix.shape[1])
        for weight, source in zip(row, matrix, strict=True):
            total += weight * source.astype(np.float64)
        into[:] = total


@kernel(_rotate_rows_numpy)
def rotate_rows(weights, matrix, out):
    """Write weights [m, n] times matrix [n, columns] to out, in float64 and in this order."""
    total = np.empty(matrix.shape[1])
    for k in range(weights.shape[0]):
        total[:] = 0.0
        for i in range(weights.shape[1]):
            weight = weights[k, i]
            for j in range(total.size):
                total[j] += weight * np.float64(matrix[i, j])
        for j in range(total.size):
            out[k, j] = np.float32(total[j])
