"""Top-k of each chunk: so many coordinates of every part of the vector."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Floats, Payload
from fedbytes.compression.codecs.chunked_topk.top_k_per_chunk import Chunks
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.log_magnitude import (
    WIDTHS,
    pack_values,
    read_values,
)
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.sparse_codec import SparseCodec
from fedbytes.plugin_fields import bounded

DEFAULT_DENSITY = 1 / 64


@CODECS.register("chunked_topk")
@dataclass(frozen=True)
class ChunkedTopK(SparseCodec):
    """The k coordinates of largest magnitude in each chunk of consecutive coordinates.

    As in DeMo (Peng et al. 2024, arXiv 2411.19870; there after a cosine transform, here not) and
    SparseLoCo (Sarfi et al. 2025, arXiv 2508.15706, whose chunk of 4096, k of 64 and 2 bits are
    the defaults). Every part of the model gets its share, selection needs one chunk at a time,
    and an index within a chunk has few digits.

    Wire: the indices, as gaps over the whole vector or as one subset number per chunk, of
    log2 C(chunk, k) bits (`top_k_per_chunk.py`), whichever is shorter; the values
    (`log_magnitude.py`).

    Biased. Contracts: the largest coordinate is always kept; delta is about k / chunk above 1 bit.

    Attributes:
        chunk: coordinates a chunk, at least 2; the last chunk may be shorter.
        density: share of each chunk that is kept, in (0, 1]; at least one coordinate. Give this
            or k; 1/64 without either.
        k: coordinates kept in each chunk.
        bits: bits a kept value: 32 (float32), 16 (bfloat16), or 8 to 1 (sign and geometric cells).

    Example:
        >>> codec = make_codec("chunked_topk", chunk=4, k=1, bits=32)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (14, [3.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0])
    """

    chunk: int = bounded(4096, least=2)
    density: float | None = bounded(None, above=0, most=1)
    k: int | None = bounded(None, least=1)
    bits: int = bounded(2, choices=WIDTHS)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"chunk": 64, "k": 2, "bits": 8},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.density is None and self.k is None:
            object.__setattr__(self, "density", DEFAULT_DENSITY)
        if self.density is not None and self.k is not None:
            raise ValueError(
                "chunked_topk: give density (share of a chunk) or k (coordinates of a chunk), and "
                f"not both; got density={self.density}, k={self.k}"
            )
        if self.k is not None and self.k > self.chunk:
            raise ValueError(f"chunked_topk: k must be from 1 to chunk={self.chunk}, got {self.k}")

    def _budget(self, size: int) -> int:
        return (
            count_for_density(self.density, size)
            if self.density is not None
            else min(self.k or 0, size)
        )

    def _chunks(self, shared: Shared) -> Chunks:
        return Chunks(shared.layout.numel, self.chunk, self._budget)

    def _most(self, shared: Shared) -> int:
        return self._chunks(shared).most

    def _select(self, x: Floats, shared: Shared) -> Indices:
        return self._chunks(shared).largest(x)

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        kept = self._select(x, shared)
        return self._chunks(shared).pack(kept) + pack_values(x[kept], self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        kept = self._chunks(shared).read(reader)
        y = np.zeros(shared.layout.numel, np.float32)
        y[kept] = read_values(reader, kept.size, self.bits)
        reader.end()
        return y
