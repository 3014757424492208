"""Eigenvectors of small symmetric views, bit for bit the same on every platform.

Only + - * / and square roots in a fixed order: no LAPACK, no BLAS, no fused operations.
"""

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.compression.codecs.lora_klt.loops.eigen_loops import sweep_jacobi

_SWEEPS = 12
_SMALL = 2.0**-40  # of the trace: smaller elements change nothing at the precision kept


def eigen(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Return the eigenvalues, descending, and the eigenvectors as columns (cyclic Jacobi, 1846).

    Args:
        matrix: symmetric, positive semidefinite, finite [r, r], with a trace far from the limits
            of float64. A zero matrix gives unit vectors.
    """
    size = matrix.shape[0]
    work, vectors = matrix.copy(), np.eye(size)
    trace = 0.0
    for value in np.diagonal(matrix).tolist():
        trace += value
    sweep_jacobi(work, vectors, trace * _SMALL, _SWEEPS)
    values = np.diagonal(work)
    order = np.argsort(-values, kind="stable")
    return values[order], np.ascontiguousarray(vectors[:, order])
