"""Sparse ternary compression: the largest coordinates, all at one magnitude."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.sparse_codec import SparseCodec
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.plugin_fields import bounded


@CODECS.register("stc")
@dataclass(frozen=True)
class Stc(SparseCodec):
    """The largest coordinates become plus or minus their mean magnitude (Sattler et al. 2019).

    Robust and communication-efficient federated learning from non-IID data, arXiv 1903.02891: the
    same as `topk` with bits=1. The paper codes the gaps by Golomb; here the cheapest of four codes
    does, of which Golomb-Rice is one. The paper compresses both ways with error feedback, which
    is the sender's memory around the codec.

    Wire: `SparseCodec` with values of 1 bit. Biased. Contracts: of the kept coordinates at least
    1 / k of the energy is kept.

    Attributes:
        density: share of the coordinates that is kept, in (0, 1]; the paper's p.

    Example:
        >>> codec = make_codec("stc", density=0.5)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (12, [2.5, 0.0, 0.0, 2.5])
    """

    density: float = bounded(0.0025, above=0, most=1)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"density": 0.01},)
    bits: ClassVar[int] = 1  # type: ignore[misc]

    def _most(self, shared: Shared) -> int:
        return count_for_density(self.density, shared.layout.numel)

    def _select(self, x: Floats, shared: Shared) -> Indices:
        return select_top_k(x, self._most(shared))
