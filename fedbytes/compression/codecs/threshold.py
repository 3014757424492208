"""Hard threshold: every coordinate beyond a multiple of the root mean square."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.squared_norm import squared_norm
from fedbytes.compression.numerics.step_rounding import round_step
from fedbytes.compression.quantisers.log_magnitude import WIDTHS
from fedbytes.compression.sparsifiers.magnitude_threshold import select_at_least
from fedbytes.compression.sparsifiers.sparse_codec import SparseCodec
from fedbytes.plugin_fields import bounded


@CODECS.register("threshold")
@dataclass(frozen=True)
class Threshold(SparseCodec):
    """The coordinates of magnitude threshold * rms and more (Strom 2015).

    How many there are follows the vector: none are spent where all is small, more where error
    feedback has gathered energy (Sahu, Dutta et al. 2021, arXiv 2108.00951). Where nothing
    reaches the threshold, the coordinates of largest magnitude are kept.

    Wire: `SparseCodec`, at most numel coordinates. Biased. Contracts: the largest coordinate is
    always kept.

    Attributes:
        threshold: least magnitude that is kept, as a multiple of the root mean square, above 0.
        bits: bits a kept value: 32 (float32), 16 (bfloat16), or 8 to 1 (sign and geometric cells).

    Example:
        >>> codec = make_codec("threshold", threshold=1.0, bits=32)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (15, [3.0, 0.0, 0.0, 2.0])
    """

    threshold: float = bounded(3.0, above=0)
    bits: int = bounded(8, choices=WIDTHS)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"threshold": 3.0, "bits": 8},
        {"threshold": 1.0, "bits": 2},
    )

    def _most(self, shared: Shared) -> int:
        return shared.layout.numel

    def _select(self, x: Floats, shared: Shared) -> Indices:
        if x.size == 0:
            return np.arange(0)
        # Rounded, so that the last bits of a sum depend on no platform.
        cutoff = round_step(self.threshold * math.sqrt(squared_norm(x) / x.size))
        top = max(float(x.max()), -float(x.min()))
        return select_at_least(x, min(cutoff, top))
