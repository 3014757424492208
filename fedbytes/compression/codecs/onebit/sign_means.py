"""The columns of a matrix by the side of zero: two means each, and who lies on which side."""

from fedbytes.arrays import Floats, UInt8s
from fedbytes.compression.codecs.onebit.loops import pick_by_sign, split_by_sign


def split_sides(x: Floats, means: Floats, negative: UInt8s) -> None:
    """Set the means of each column's coordinates >= 0 and of its others; 0 where it has none.

    Summed in double precision in order, so that the last bit is the same everywhere.

    Args:
        x: float32 [rows, columns].
        means: float32 [2, columns], set.
        negative: uint8 [rows * columns], set to 1 where x < 0, column by column.
    """
    split_by_sign(x, means, negative)


def pick_sides(negative: UInt8s, means: Floats, y: Floats) -> None:
    """Set y [rows, columns] to the mean of the side that each coordinate lies on."""
    pick_by_sign(negative, means, y)
