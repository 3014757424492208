"""Order statistics of each column, by a sorting network over blocks of columns."""

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from fedbytes.defenses.robust_math.gram_matrix import Vectors, column_blocks


@cache
def sorting_network(count: int) -> tuple[tuple[int, int], ...]:
    """Return the comparisons that sort `count` values: Batcher's odd-even merge sort.

    Each pair (a, b) with a < b puts the smaller value first. The pairs are the same for all
    columns, so that a comparison is one minimum and one maximum of two rows.
    """
    pairs, width = [], 1
    while width < count:
        step = width
        while step >= 1:
            for start in range(step % width, count - step, 2 * step):
                for low in range(start, min(start + step, count - step)):
                    if low // (2 * width) == (low + step) // (2 * width):
                        pairs.append((low, low + step))
            step //= 2
        width *= 2
    return tuple(pairs)


def sort_columns(block: Tensor) -> list[Tensor]:
    """Return the rows of a block [rows, columns] with each column in ascending order."""
    rows = list(block)
    for low, high in sorting_network(len(rows)):
        small = torch.minimum(rows[low], rows[high])
        torch.maximum(rows[low], rows[high], out=rows[high])
        rows[low] = small
    return rows


def sorted_blocks(rows: Vectors) -> Iterator[tuple[slice, list[Tensor]]]:
    """Yield blocks of columns, each where it lies, and its rows after sorting each column."""
    for where, block in column_blocks(rows):
        yield where, sort_columns(block)


def middle(ascending: list[Tensor]) -> Tensor:
    """Return the median of each column of sorted rows; of an even number the mean of both."""
    half = len(ascending) // 2
    if len(ascending) % 2:
        return ascending[half].double()
    return (ascending[half - 1].double() + ascending[half].double()) / 2


def mean_between(ascending: list[Tensor], start: int, stop: int) -> Tensor:
    """Return the mean of rows `start` to `stop`, the last left out, in float64."""
    total = ascending[start].double()
    for row in ascending[start + 1 : stop]:
        total += row
    return total / (stop - start)
