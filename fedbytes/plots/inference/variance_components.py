"""Components of variance of a crossed table, such as partitions and training seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VarianceComponents:
    """How much of a table's variance is its rows', its columns', and the rest's.

    The model is y = mean + row + column + rest, all random; estimates are the method of moments'.
    A component that comes out below zero is given as zero.

    Attributes:
        mean: of all cells.
        rows, columns, rest: variances; the rest is interaction and noise together.
        shape: rows and columns of the table.
        squares: mean squares of rows, columns and rest.
    """

    mean: float
    rows: float
    columns: float
    rest: float
    shape: tuple[int, int]
    squares: tuple[float, float, float]

    @property
    def error_of_mean(self) -> tuple[float, float]:
        """The standard error of the mean over both factors, and its degrees of freedom.

        Satterthwaite's approximation. Where the rest's mean square exceeds one of the others, the
        larger of rows and columns stands alone, which is the more cautious.
        """
        many, few = self.shape
        by_row, by_column, rest = self.squares
        degrees = (many - 1, few - 1, (many - 1) * (few - 1))
        total = by_row + by_column - rest
        largest = max(by_row, by_column)
        if total <= largest:
            own = degrees[0] if by_row >= by_column else degrees[1]
            return sqrt(largest / (many * few)), float(own)
        spread = sum(s**2 / d for s, d in zip(self.squares, degrees, strict=True))
        return sqrt(total / (many * few)), total**2 / spread

    def predict_error(self, rows: int, columns: int) -> float:
        """Return the standard error of the mean of a crossed design of another size."""
        if rows < 1 or columns < 1:
            raise ValueError(f"a design needs at least one row and column, got {rows} x {columns}")
        return sqrt(self.rows / rows + self.columns / columns + self.rest / (rows * columns))


def split_variance(table: Sequence[Sequence[float]] | NDArray[np.float64]) -> VarianceComponents:
    """Split the variance of a table without replicates into rows, columns and the rest.

    Args:
        table: [rows, columns], such as differences by partition and training seed, or values by
            method and seed (then `columns` is what the seed gives to all methods alike).

    Raises:
        ValueError: for fewer than two rows or columns, or a cell that is not finite.
    """
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(
            f"components of variance need a table of at least two rows and two columns, got "
            f"{' x '.join(map(str, values.shape)) or 'one number'}"
        )
    if not np.isfinite(values).all():
        raise ValueError("components of variance need every cell of the table to be finite")
    many, few = values.shape
    mean = float(values.mean())
    down, across = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    by_row = few * float(np.sum(down**2)) / (many - 1)
    by_column = many * float(np.sum(across**2)) / (few - 1)
    left = values - mean - down[:, None] - across[None, :]
    rest = float(np.sum(left**2)) / ((many - 1) * (few - 1))
    return VarianceComponents(
        mean=mean,
        rows=max(0.0, (by_row - rest) / few),
        columns=max(0.0, (by_column - rest) / many),
        rest=rest,
        shape=(many, few),
        squares=(by_row, by_column, rest),
    )
