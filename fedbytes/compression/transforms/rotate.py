"""Rotate by a block-wise randomised Hadamard transform."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.hadamard import inverse_rotate, rotate
from fedbytes.compression.transform import TRANSFORMS, Transform, Transformed
from fedbytes.plugin_fields import added_field


@TRANSFORMS.register("rotate")
@dataclass(frozen=True)
class Rotate(Transform):
    """Every coordinate becomes a mix of its block's, so that all have about one variance.

    Suresh et al. 2017 (randomised Hadamard). It helps quantisers of a fixed rate, and hurts
    entropy-coded ones on heavy tails. Wire: the exponent int16 of the power of two that the vector
    was divided by. Orthogonal up to float32 arithmetic: keeps contraction and the mean.

    Attributes:
        common: whether all senders of a round turn alike, so that what they turned adds.

    Example:
        >>> transform = make_transform("rotate")
        >>> try_transform(transform, [3.0, -1.0, 0.5, 2.0])
        ([0.5, 2.0, 3.0, 1.0], [3.0, -1.0, 0.5, 2.0])
    """

    common: bool = added_field(False)
    unbiased: ClassVar[bool] = True
    contracts: ClassVar[bool] = True

    def _generator(self, shared: Shared) -> np.random.Generator:
        return shared.common_generator("rotate") if self.common else shared.generator("rotate")

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the rotated vector."""
        scaled, exponent = split_exponent(x)
        return apply_exponent(rotate(scaled, self._generator(shared)), exponent)

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector turned back."""
        scaled, exponent = split_exponent(image)
        return apply_exponent(inverse_rotate(scaled, self._generator(shared)), exponent)

    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the rotated vector."""
        scaled, exponent = split_exponent(x)
        turned = rotate(scaled, self._generator(shared))
        return Transformed(pack_exponent(exponent), turned)

    def read(self, reader: Reader, shared: Shared) -> tuple[int, int]:
        """Return the length, which stays, and the exponent."""
        return shared.layout.numel, read_exponent(reader)

    def inverse(self, y: Floats, side: int, shared: Shared) -> Floats:
        """Return the vector turned back."""
        return apply_exponent(inverse_rotate(y, self._generator(shared)), side)
