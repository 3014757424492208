"""The two means of each matrix column, over its nonnegative and its negative coordinates."""

from fedbytes.arrays import Floats, UInt8s
from fedbytes.compression.codecs.onebit.loops import pick_by_sign, split_by_sign


def split_sides(x: Floats, means: Floats, negative: UInt8s) -> None:
    """Set the mean of each column's coordinates >= 0 and of its negative ones; 0 if there are none.

    Sums are in float64 and in order, so that the last bit is the same everywhere.

    Args:
        x: float32 [rows, columns].
        means: float32 [2, columns], set.
        negative: uint8 [rows * columns], set to 1 where x < 0, column by column.
    """
    split_by_sign(x, means, negative)


def pick_sides(negative: UInt8s, means: Floats, y: Floats) -> None:
    """Set y [rows, columns] to the mean of each coordinate's side."""
    pick_by_sign(negative, means, y)
