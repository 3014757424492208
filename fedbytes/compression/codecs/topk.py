"""Top-k: the coordinates of largest magnitude, places entropy-coded, values in few bits."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.log_magnitude import WIDTHS
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.sparse_codec import SparseCodec
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.plugin_fields import bounded


@CODECS.register("topk")
@dataclass(frozen=True)
class TopK(SparseCodec):
    """The density * numel coordinates of largest magnitude (Aji and Heafield 2017).

    Ties go to the lower index; zeros are never sent. Wire: `SparseCodec`, at most
    max(1, round(density * numel)) coordinates.

    Biased. Contracts: the dropped coordinates are the smallest, so delta is about density or more
    (1 / numel or more at 1 bit, where magnitudes far apart become one).

    Attributes:
        density: share of the coordinates that is kept, in (0, 1].
        bits: bits a kept value: 32 (float32), 16 (bfloat16), or 8 to 1 (sign and geometric cells).

    Example:
        >>> codec = make_codec("topk", density=0.5, bits=32)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (15, [3.0, 0.0, 0.0, 2.0])
    """

    density: float = bounded(0.01, above=0, most=1)
    bits: int = bounded(8, choices=WIDTHS)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"density": 0.01, "bits": 32},
        {"density": 0.01, "bits": 8},
        {"density": 0.05, "bits": 4},
        {"density": 0.1, "bits": 16},
        {"density": 0.1, "bits": 1},
        {"density": 1.0, "bits": 5},
    )

    def _most(self, shared: Shared) -> int:
        return count_for_density(self.density, shared.layout.numel)

    def _select(self, x: Floats, shared: Shared) -> Indices:
        return select_top_k(x, self._most(shared))
