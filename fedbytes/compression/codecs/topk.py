"""Top-k: the coordinates of largest magnitude, places entropy-coded, values in few bits."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core import CODECS, Codec, Floats, Payload, Shared
from ..indices import pack_indices, read_indices
from ..select import largest
from ..values import WIDTHS, pack_values, read_values
from ..wire import Reader, count_bytes


@CODECS.register("topk")
@dataclass(frozen=True)
class TopK(Codec):
    """The density * numel coordinates of largest magnitude (Aji and Heafield 2017).

    Ties go to the lower index; zeros are never sent. Wire: k as LEB128, at most
    max(1, round(density * numel)); the indices (`indices.py`); the values (`values.py`).

    Biased. Contracts: the dropped coordinates are the smallest, so delta >= about density, and
    the values are read back on their own side of zero.

    Attributes:
        density: share of the coordinates that is kept, in (0, 1].
        bits: bits a kept value: 32 (float32), 16 (bfloat16), or 8 to 1 (sign and geometric cells).
    """

    density: float = 0.01
    bits: int = 8
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"density": 0.01, "bits": 32},
        {"density": 0.01, "bits": 8},
        {"density": 0.05, "bits": 4},
        {"density": 0.1, "bits": 16},
        {"density": 0.1, "bits": 1},
        {"density": 1.0, "bits": 5},
    )

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise ValueError(f"topk: density must be in (0, 1], got {self.density}")
        if self.bits not in WIDTHS:
            raise ValueError(f"topk: bits must be one of {WIDTHS}, got {self.bits}")

    @property
    def contracts(self) -> bool:
        """True, with delta of about density."""
        return True

    @property
    def sparse(self) -> bool:
        """True."""
        return True

    def _most(self, numel: int) -> int:
        return min(numel, max(1, round(self.density * numel)))

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        kept = largest(x, self._most(x.size))
        return b"".join(
            (count_bytes(kept.size), pack_indices(kept, x.size), pack_values(x[kept], self.bits))
        )

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        k = reader.count("kept", self._most(numel))
        kept = read_indices(reader, k, numel)
        values = read_values(reader, k, self.bits)
        reader.end()
        y = np.zeros(numel, np.float32)
        y[kept] = values
        return y
