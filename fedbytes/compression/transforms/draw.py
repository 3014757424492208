"""Draw coordinates at random; both ends know which."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.arrays import Floats, Indices
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.random_subset import random_subset, scale_clipped
from fedbytes.compression.transform import TRANSFORMS, Transform, Transformed
from fedbytes.plugin_fields import added_field, bounded


@TRANSFORMS.register("draw")
@dataclass(frozen=True)
class Draw(Transform):
    """A random share of the coordinates is kept; the inverse scales them up by 1 / share.

    Konečný et al. 2016. The indices follow from the shared seed and cost nothing. Unbiased; does
    not contract below density 1, since what is drawn is scaled up.

    Attributes:
        density: share of the coordinates, in (0, 1]; at least one is drawn.
        common: whether all senders of a round draw the same, so that what they draw adds.

    Example:
        >>> transform = make_transform("draw", density=0.5)
        >>> try_transform(transform, [3.0, -1.0, 0.5, 2.0])
        ([-1.0, 2.0], [0.0, -2.0, 0.0, 4.0])
    """

    density: float = bounded(0.1, above=0, most=1)
    common: bool = added_field(False)
    unbiased: ClassVar[bool] = True
    sparse: ClassVar[bool] = True

    @property
    def contracts(self) -> bool:
        """True only where everything is drawn."""
        return self.density == 1

    def _places(self, shared: Shared) -> Indices:
        numel = shared.layout.numel
        open_generator = shared.common_generator if self.common else shared.generator
        return random_subset(open_generator("draw"), numel, count_for_density(self.density, numel))

    def image_size(self, shared: Shared) -> int:
        """Return how many are drawn."""
        numel = shared.layout.numel
        return min(numel, count_for_density(self.density, numel))

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the drawn coordinates."""
        return x[self._places(shared)]

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the values scaled up in their places, and zeros."""
        return self.inverse(image, self._places(shared), shared)

    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the drawn coordinates."""
        return Transformed(b"", x[self._places(shared)])

    def read(self, reader: Reader, shared: Shared) -> tuple[int, Indices]:
        """Return how many are drawn, and where."""
        places = self._places(shared)
        return places.size, places

    def inverse(self, y: Floats, side: Indices, shared: Shared) -> Floats:
        """Return the values scaled up in their places, and zeros."""
        x = np.zeros(shared.layout.numel, np.float32)
        x[side] = scale_clipped(y, x.size / max(side.size, 1))
        return x
