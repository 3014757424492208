"""Keep the largest coordinates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.arrays import Floats, Indices
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.layout import Shared
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.compression.transform import TRANSFORMS, Transform, Transformed
from fedbytes.plugin_fields import bounded


@TRANSFORMS.register("keep")
@dataclass(frozen=True)
class Keep(Transform):
    """The density * n coordinates of largest magnitude are kept; the others decode to zero.

    Aji and Heafield 2017. Wire: k as a count, at most max(1, round(density * n)); the indices.
    Contracts: what is dropped is smallest. Biased.

    Attributes:
        density: share of the coordinates that is kept, in (0, 1].

    Example:
        >>> transform = make_transform("keep", density=0.5)
        >>> try_transform(transform, [3.0, -1.0, 0.5, 2.0])
        ([3.0, 2.0], [3.0, 0.0, 0.0, 2.0])
    """

    density: float = bounded(0.01, above=0, most=1)
    contracts: ClassVar[bool] = True
    sparse: ClassVar[bool] = True

    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the kept values, their number and places."""
        kept = select_top_k(x, count_for_density(self.density, x.size))
        return Transformed(pack_count(kept.size) + pack_indices(kept, x.size), x[kept])

    def read(self, reader: Reader, shared: Shared) -> tuple[int, Indices]:
        """Return how many are kept, and where."""
        numel = shared.layout.numel
        k = reader.count("kept", count_for_density(self.density, numel))
        return k, read_indices(reader, k, numel)

    def inverse(self, y: Floats, side: Indices, shared: Shared) -> Floats:
        """Return the values in their places, and zeros."""
        x = np.zeros(shared.layout.numel, np.float32)
        x[side] = y
        return x
