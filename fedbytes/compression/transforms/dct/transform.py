"""The cosine transform of chunks: what is smooth along a chunk becomes few large coefficients."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Floats
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.dct import LARGEST_CHUNK, dct, inverse_dct
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.transform import TRANSFORMS, Transform, Transformed
from fedbytes.compression.transforms.dct.dct_2d import dct_squares, inverse_dct_squares
from fedbytes.plugin_fields import added_field, bounded

_ROUNDING = 1e-5  # of a chunk's largest coefficient, what a transform back and forth can leave
_CHUNKS = tuple(1 << power for power in range(1, LARGEST_CHUNK.bit_length()))


@TRANSFORMS.register("dct")
@dataclass(frozen=True)
class DCT(Transform):
    """Each chunk of consecutive coordinates, or each square, becomes its orthonormal DCT-II.

    As in DeMo (Peng et al. 2024, arXiv 2411.19870), which sends the largest coefficients of a
    momentum: put it before `chunked_topk`. Wire: the exponent int16 of the power of two that the
    vector was divided by. Orthogonal up to float32 arithmetic: keeps contraction and the mean.

    Chunks lie along the flat vector. With `square`, matrices are cut into squares that are
    transformed along both sides, as in the paper's code, where a side is the largest divisor up to
    `chunk` and here the largest power of two. Only the first transform of a chain knows the
    tensors: put it there, and behind it a `chunked_topk` whose chunk is `chunk` squared.

    Attributes:
        chunk: coordinates a chunk, a power of two; what is left at the end is cut
            into smaller powers of two.
        square: cut matrices into squares of `chunk` by `chunk`, or less where that does not divide
            them; chunks are for what else there is.

    Example:
        >>> transform = make_transform("dct", chunk=4)
        >>> try_transform(transform, [1.0, 2.0, 3.0, 4.0])
        ([5.0, -2.23, 0.0, -0.1585], [1.0, 2.0, 3.0, 4.0])
    """

    chunk: int = bounded(64, choices=_CHUNKS)
    square: bool = added_field(False)
    unbiased: ClassVar[bool] = True
    contracts: ClassVar[bool] = True
    shows_sent: ClassVar[bool] = True
    common: ClassVar[bool] = True

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the coefficients."""
        step = self.forward(x, shared)
        _, exponent = self.read(Reader(memoryview(step.side), self.name), shared)
        return apply_exponent(step.vector, exponent)

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector that has these coefficients."""
        scaled, exponent = split_exponent(image)
        return self.inverse(scaled, exponent, shared)

    def find_sent(self, z: Floats) -> npt.NDArray[np.bool_]:
        """Return which coefficients are more than what rounding leaves of a zero."""
        if not z.size:
            return np.zeros(0, dtype=bool)
        size = np.abs(z)
        starts = np.arange(0, z.size, self.chunk**2 if self.square else self.chunk)
        largest = np.repeat(np.maximum.reduceat(size, starts), np.diff([*starts, z.size]))
        return np.asarray((size > _ROUNDING * largest) & (size > 0))

    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the coefficients."""
        scaled, exponent = split_exponent(x)
        if self.square:
            coefficients = dct_squares(scaled, shared.layout, self.chunk)
        else:
            coefficients = dct(scaled, self.chunk)
        return Transformed(pack_exponent(exponent), coefficients)

    def read(self, reader: Reader, shared: Shared) -> tuple[int, int]:
        """Return the length, which stays, and the exponent."""
        return shared.layout.numel, read_exponent(reader)

    def inverse(self, y: Floats, side: int, shared: Shared) -> Floats:
        """Return the vector that has these coefficients."""
        if self.square:
            return apply_exponent(inverse_dct_squares(y, shared.layout, self.chunk), side)
        return apply_exponent(inverse_dct(y, self.chunk), side)
