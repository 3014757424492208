"""The directions in which a noisy matrix of gradients has more than noise."""

from functools import cache

import numpy as np
import numpy.typing as npt

_Matrix = npt.NDArray[np.float64]

_TAIL = 8
_MARGIN = 1.05
"""An eigenvalue is no noise above so many times the edge of the noise's."""


def signal_space(rows: _Matrix, most: int) -> _Matrix:
    """Return orthonormal directions of signal, as columns [width, rank].

    The rows of a gradient are mixtures of the vectors that a layer read, of which there are at
    most so many; what is beyond is noise: of rounding, of a codec. Its eigenvalues end at the edge
    of the Marchenko-Pastur law, whose scale the median of the last ones tells; all above are
    signal. Where there is no noise to be seen, the rank is `most` or that of the matrix.

    Args:
        rows: gradients [rows, width].
        most: the largest rank that signal may have.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> signal = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 50))
        >>> signal_space(signal + 0.1 * rng.normal(size=(200, 50)), most=10).shape
        (50, 3)
    """
    _, values, directions = np.linalg.svd(rows, full_matrices=False)
    powers = values**2
    whole = int(np.count_nonzero(powers > powers[0] * np.finfo(np.float64).eps ** 2))
    most = min(most, whole)
    rank = most
    if len(powers) - most >= _TAIL:
        rank = int(np.count_nonzero(powers[:most] > _MARGIN * _edge(powers, most, max(rows.shape))))
    return np.ascontiguousarray(directions[: max(1, rank)].T)


def noise_level(matrix: _Matrix, most: int) -> float:
    """Return the size of a gradient's numbers that are noise, by what is beyond its `most` values.

    Where there are no values beyond, it is the size of all numbers; 1 of zeros.

    Args:
        matrix: a gradient [outputs, width].
        most: the largest rank that signal may have.
    """
    values = np.linalg.svd(matrix, compute_uv=False)
    if not values[0]:
        return 1.0
    beyond = values[most:] if len(values) - most >= _TAIL else values
    level = float(np.sqrt(np.square(beyond).mean() / max(matrix.shape)))
    return max(level, 1e-12 * float(values[0]))


def _edge(powers: _Matrix, most: int, count: int) -> float:
    """Return the largest eigenvalue of noise, from those beyond the `most` first.

    `count` is the larger dimension of the matrix, the smaller one is that of `powers`.
    """
    width = len(powers)
    ratio = width / count
    middle = float(np.median(powers[most:]))
    usual = _noise_quantile(ratio, (width - most) / (2 * width))
    return float(middle / usual * (1 + ratio**0.5) ** 2)


@cache
def _noise_quantile(ratio: float, share: float) -> float:
    """Return a quantile of the Marchenko-Pastur law of variance 1 and a ratio of dimensions."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    grid = np.linspace(low, high, 4001)[1:-1]
    mass = np.cumsum(np.sqrt((high - grid) * (grid - low)) / grid)
    return float(np.interp(share, mass / mass[-1], grid))
