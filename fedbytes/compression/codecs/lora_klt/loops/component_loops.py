"""Sums of rank-one components, added to a matrix."""

from fedbytes.arrays import Floats
from fedbytes.compression.numerics.kernels import kernel


def _add_components_numpy(u: Floats, y: Floats, out: Floats) -> None:
    """Add u y to out: [rows, k] times [k, columns], in this order, in float32."""
    for row, into in zip(u, out, strict=True):
        for weight, source in zip(row, y, strict=True):
            into += weight * source


@kernel(_add_components_numpy)
def add_components(u, y, out):
    """Add u y to out: [rows, k] times [k, columns], in this order, in float32."""
    for i in range(out.shape[0]):
        for k in range(u.shape[1]):
            weight = u[i, k]
            for j in range(out.shape[1]):
                out[i, j] += weight * y[k, j]
