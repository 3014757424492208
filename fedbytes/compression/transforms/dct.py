"""The cosine transform of chunks: what is smooth along a chunk becomes few large coefficients."""

from dataclasses import dataclass

from ..core import Floats, Shared
from ..cosine import LARGEST_CHUNK, dct, undo_dct
from ..scaling import EXPONENTS, normalise, restore
from ..transform import TRANSFORMS, Transform, Transformed
from ..wire import Reader


@TRANSFORMS.register("dct")
@dataclass(frozen=True)
class DCT(Transform):
    """Each chunk of consecutive coordinates becomes its orthonormal DCT-II.

    As in DeMo (Peng et al. 2024, arXiv 2411.19870), which sends the largest coefficients of a
    momentum: put it before `chunked_topk`. There matrices are cut into squares that are
    transformed along both sides; here chunks lie along the flat vector. Wire: the exponent int16
    of the power of two that the vector was divided by. Orthogonal up to float32 arithmetic: keeps
    contraction and the mean.

    Attributes:
        chunk: coordinates a chunk, a power of two from 2 to 4096; what is left at the end is cut
            into smaller powers of two.
    """

    chunk: int = 64

    def __post_init__(self) -> None:
        if not 2 <= self.chunk <= LARGEST_CHUNK or self.chunk & (self.chunk - 1):
            raise ValueError(
                f"dct: chunk must be a power of two from 2 to {LARGEST_CHUNK}, got {self.chunk}"
            )

    @property
    def unbiased(self) -> bool:
        """True."""
        return True

    @property
    def contracts(self) -> bool:
        """True: the error keeps its norm."""
        return True

    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the coefficients."""
        scaled, exponent = normalise(x)
        coefficients = dct(scaled, self.chunk)
        return Transformed(exponent.to_bytes(2, "little", signed=True), coefficients)

    def read(self, reader: Reader, shared: Shared) -> tuple[int, int]:
        """Return the length, which stays, and the exponent."""
        return shared.layout.numel, reader.number("h", "exponent", *EXPONENTS)

    def backward(self, y: Floats, side: int, shared: Shared) -> Floats:
        """Return the vector that has these coefficients."""
        return restore(undo_dct(y, self.chunk), side)
