"""Matrix products and Gram-Schmidt in one fixed order, so that every platform gets equal bits.

Matrices are float32 [m, n]. Each row of the factors p [rank, m] and q [rank, n] is a direction;
they represent the sum of the outer products p_k q_k. The order of a BLAS varies by platform.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.codecs.powersgd.loops import (
    add_outer_products,
    dot_in_order,
    multiply_columns,
    multiply_rows,
    orthonormalise,
)


def project_rows(matrix: Floats, q: Doubles) -> Doubles:
    """Return q matrix^T [rank, m]: the product of each direction with each row."""
    out = np.zeros((q.shape[0], matrix.shape[0]))
    multiply_rows(matrix, q, out)
    return out


def project_columns(matrix: Floats, p: Doubles) -> Doubles:
    """Return p matrix [rank, n]: the product of each direction with each column."""
    out = np.zeros((p.shape[0], matrix.shape[1]))
    multiply_columns(matrix, p, out)
    return out


def orthonormal_rows(directions: Doubles) -> Doubles:
    """Orthonormalise the rows, first to last; rows that depend on earlier ones become zero."""
    out = directions.copy()
    orthonormalise(out)
    return out


def row_norms(directions: npt.NDArray[Any]) -> Doubles:
    """Return the Euclidean norm of each row [rank]."""
    return np.sqrt([dot_in_order(row, row) for row in directions.astype(np.float64)])


def add_products(p: Floats, q: Floats, out: Floats) -> None:
    """Add the outer products of the rows of p and q to out [m, n], one by one in float32."""
    add_outer_products(p, q, out)
