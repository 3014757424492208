"""Eigenvectors of small symmetric matrices, bit for bit the same on every platform.

Only + - * / and square roots in a fixed order: no LAPACK, no BLAS, no fused operations.
"""

from typing import Any

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.compression.numerics.kernels import kernel

_SWEEPS = 12
_SMALL = 2.0**-40  # of the trace: rotating such an element away changes nothing that we keep


def eigen(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Return the eigenvalues, falling, and the eigenvectors as columns (cyclic Jacobi, 1846).

    Args:
        matrix: symmetric, positive semidefinite, finite [r, r]; a zero matrix has the unit
            vectors. Its trace must be far from the ends of float64's range.
    """
    size = matrix.shape[0]
    work, vectors = matrix.copy(), np.eye(size)
    trace = 0.0
    for value in np.diagonal(matrix).tolist():
        trace += value
    _sweep(work, vectors, trace * _SMALL, _SWEEPS)
    values = np.diagonal(work)
    order = np.argsort(-values, kind="stable")
    return values[order], np.ascontiguousarray(vectors[:, order])


def _sweep_numpy(a: Doubles, v: Doubles, small: float, sweeps: int) -> None:
    size = a.shape[0]
    for _ in range(sweeps):
        rotated = False
        for p in range(size - 1):
            for q in range(p + 1, size):
                if abs(a[p, q]) <= small:
                    continue
                rotated = True
                theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                t = -t if theta < 0 else t
                c = 1.0 / np.sqrt(t * t + 1.0)
                s = t * c
                for m in (a, a.T, v.T):
                    first, second = m[p].copy(), m[q].copy()
                    m[p], m[q] = first * c - second * s, first * s + second * c
        if not rotated:
            break


@kernel(_sweep_numpy)
def _sweep(a: Any, v: Any, small: Any, sweeps: Any) -> None:
    size = a.shape[0]
    for _ in range(sweeps):
        rotated = False
        for p in range(size - 1):
            for q in range(p + 1, size):
                if abs(a[p, q]) <= small:
                    continue
                rotated = True
                theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                t = -t if theta < 0 else t
                c = 1.0 / np.sqrt(t * t + 1.0)
                s = t * c
                for i in range(size):
                    first, second = a[p, i], a[q, i]
                    a[p, i], a[q, i] = first * c - second * s, first * s + second * c
                for i in range(size):
                    first, second = a[i, p], a[i, q]
                    a[i, p], a[i, q] = first * c - second * s, first * s + second * c
                for i in range(size):
                    first, second = v[i, p], v[i, q]
                    v[i, p], v[i, q] = first * c - second * s, first * s + second * c
        if not rotated:
            break
