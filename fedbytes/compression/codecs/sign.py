"""One sign bit a coordinate and one magnitude a group."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..bits import pack_bits, packed_bytes, unpack_bits
from ..core import CODECS, Codec, Floats, Layout, Payload, Shared
from ..wire import Reader


@CODECS.register("sign")
@dataclass(frozen=True)
class Sign(Codec):
    """Each coordinate becomes its sign times its group's mean magnitude (EF-sign).

    Karimireddy et al. 2019. Wire: scale float32 [groups]; sign bits [numel], packed, 1 for
    negative (zero counts as positive).

    Biased. Contracts: the error is ||x||^2 - ||x||_1^2 / n in each group of n, so delta >= 1/n.

    Attributes:
        block: coordinates a scale; 0 gives each tensor of the layout one scale.
    """

    block: int = 0
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"block": 256}, {"block": 100})

    def __post_init__(self) -> None:
        if self.block < 0:
            raise ValueError(f"sign: block must be at least 0, got {self.block}")

    @property
    def contracts(self) -> bool:
        """True, with delta >= 1 / (largest group)."""
        return True

    def _sizes(self, layout: Layout) -> npt.NDArray[np.int64]:
        """Return the coordinates of each group, none empty."""
        if self.block:
            starts = np.arange(0, layout.numel, self.block)
            return np.minimum(layout.numel - starts, self.block)
        sizes = np.diff(np.array(layout.offsets))
        return sizes[sizes > 0]

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        sizes = self._sizes(shared.layout)
        if sizes.size == 0:
            return b""
        sums = np.add.reduceat(np.abs(x), np.cumsum(sizes) - sizes, dtype=np.float64)
        return (sums / sizes).astype("<f4").tobytes() + pack_bits(np.signbit(x), 1)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        sizes = self._sizes(shared.layout)
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        scales = reader.floats(sizes.size, "scales")
        packed = reader.take(packed_bytes(numel, 1), "signs")
        reader.end()
        y = np.repeat(scales, sizes)
        signs = np.left_shift(unpack_bits(packed, numel, 1), 31, dtype=np.uint32)
        y.view(np.uint32)[:] |= signs
        return y
