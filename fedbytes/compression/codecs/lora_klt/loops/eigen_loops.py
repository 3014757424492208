"""Sweeps of Jacobi rotations over a symmetric matrix."""

from typing import Any

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.compression.numerics.kernels import kernel


def _sweep_jacobi_numpy(a: Doubles, v: Doubles, small: float, sweeps: int) -> None:
    size = a.shape[0]
    for _ in range(sweeps):
        rotated = False
        for p in range(size - 1):
            for q in range(p + 1, size):
                if abs(a[p, q]) <= small:
                    continue
                rotated = True
                # The rotation by the smaller angle that zeroes a[p, q].
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


@kernel(_sweep_jacobi_numpy)
def sweep_jacobi(a: Any, v: Any, small: Any, sweeps: Any) -> None:
    """Rotate elements above `small` away, until none is left or the sweeps end."""
    size = a.shape[0]
    for _ in range(sweeps):
        rotated = False
        for p in range(size - 1):
            for q in range(p + 1, size):
                if abs(a[p, q]) <= small:
                    continue
                rotated = True
                # The rotation by the smaller angle that zeroes a[p, q].
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
