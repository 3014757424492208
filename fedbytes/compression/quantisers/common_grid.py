"""Rounding at random to a grid that all senders have in common, for codecs that add."""

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedbytes.arrays import Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Grid, Integers, Summable

_CHUNK = 1 << 12


def round_to_grid(image: Floats, grid: Grid, noise: np.random.Generator) -> Integers:
    """Return the integers 0 to 2 * zero of values, rounded up or down at random by the distance.

    What is beyond the grid is brought to its ends.
    """
    out = np.empty(image.size, np.uint64)
    for start in range(0, image.size, _CHUNK):
        part = image[start : start + _CHUNK].astype(np.float64)
        part = np.clip(part / grid.unit, -grid.zero, grid.zero) + grid.zero
        # The sum is below the next integer only if float64 holds it, as it does for 24 bits.
        out[start : start + _CHUNK] = np.floor(part + noise.random(part.size))
    return out


class CommonScale(Summable):
    """A codec with a field `scale`: where it is given, the grid is one for all senders and groups.

    Then the highest level stands for `scale`, no scale travels, and the codec adds. It is biased by
    what is clipped, does not contract, and errors within the range are bounded.
    """

    scale: float | None

    @property
    @abstractmethod
    def top(self) -> int:
        """The highest level: integers are those from -top to top, counted from 0."""

    @property
    def summable(self) -> bool:
        """True with a scale."""
        return self.scale is not None

    @property
    def bounded_error(self) -> bool:
        """True with a scale."""
        return self.scale is not None

    @property
    def grid_levels(self) -> int:
        """2 * top + 1."""
        return 2 * self.top + 1

    def with_range(self, top: float) -> "CommonScale":
        """Return the same with another scale."""
        changed: CommonScale = replace(self, scale=top)  # type: ignore[type-var]
        return changed

    def grid(self, shared: Shared) -> Grid:
        """Return the grid of the scale."""
        assert self.scale is not None
        return Grid(self.scale / self.top, self.top)

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Round at random, up or down by the distance."""
        return round_to_grid(image, grid, noise)

    def values_of(self, levels: NDArray[Any], shared: Shared) -> Floats:
        """Return what levels from -top to top of one sender stand for, in their memory if float32.

        They may be of any type that holds them.
        """
        grid = self.grid(shared)
        y = levels if levels.dtype == np.float32 else np.empty(levels.size, np.float32)
        for start in range(0, y.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            counted = levels[part].astype(np.int64) + self.top
            y[part] = grid.mean(counted.astype(np.uint64), 1)
        return y
