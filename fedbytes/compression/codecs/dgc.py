"""Deep gradient compression: top-k by a sampled threshold, and a density that warms up."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.step_rounding import round_step
from fedbytes.compression.quantisers.log_magnitude import WIDTHS
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.magnitude_threshold import select_at_least
from fedbytes.compression.sparsifiers.sparse_codec import SparseCodec
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.plugin_fields import bounded

_WARM_DENSITY = 0.25
_TOPS = 64  # of the largest that a sample should hold for the threshold to be near
_LEAST = 0.5  # share of k below which the sample misjudged the threshold


@CODECS.register("dgc")
@dataclass(frozen=True)
class Dgc(SparseCodec):
    """Top-k by a sampled threshold, at a density that warms up: DGC (Lin et al. 2018).

    The codec of Deep Gradient Compression, arXiv 1712.01887.

    The threshold is the k-th largest magnitude of the whole, estimated on a sample (the paper's
    sampled top-k). Where it lets more than k pass, the k largest of those are selected again (the
    paper's hierarchical selection); where it lets less than half of k pass, or the sample would
    be large, all are sorted. So k / 2 to k coordinates are kept, fewer only where the rest is
    zero, and always the largest.

    In the first `warmup_rounds` rounds the density falls geometrically from 25 % to `density`:
    0.25 (density / 0.25)^((round - 1) / warmup_rounds), with rounds counted from 1, which is the
    paper's 25, 6.25, 1.56, 0.4 % in four rounds, and 0.1 % from the fifth on. It depends on the
    round alone, so both ends know it.

    Momentum correction, momentum factor masking and the accumulation of what was not sent are not
    here: they are the sender's memory around the codec, which sees from decoded zeros what was not
    sent (`sparse`).

    Wire: `SparseCodec`, at most k coordinates. Biased. Contracts: the largest coordinate is always
    kept.

    Attributes:
        density: share of the coordinates that is kept after the warm-up, in (0, 1].
        sample: share of the coordinates on which the threshold is estimated, in (0, 1]; more
            where that would be too few.
        warmup_rounds: rounds before the first at `density`; 0 for none.
        bits: bits a kept value: 32 (float32), 16 (bfloat16), or 8 to 1 (sign and geometric cells).

    Example:
        >>> codec = make_codec("dgc", density=0.25)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (15, [3.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    """

    density: float = bounded(0.001, above=0, most=1)
    sample: float = bounded(0.01, above=0, most=1)
    warmup_rounds: int = bounded(0, least=0)
    bits: int = bounded(32, choices=WIDTHS)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"density": 0.01},
        {"density": 0.01, "bits": 8, "warmup_rounds": 6},
    )

    @property
    def revision(self) -> int:
        """2 where there is a warm-up: it was one round short, and began at the second density."""
        return 2 if self._warms_up else 1

    @property
    def _warms_up(self) -> bool:
        return self.warmup_rounds > 0 and self.density < _WARM_DENSITY

    def density_at(self, round_: int) -> float:
        """Return the share of coordinates that may be kept in a round; runs begin with round 1."""
        done = max(round_ - 1, 0)
        if done >= self.warmup_rounds or not self._warms_up:
            return self.density
        fall: float = (self.density / _WARM_DENSITY) ** (done / self.warmup_rounds)
        return round_step(_WARM_DENSITY * fall)  # no platform's last bits of a power

    def _most(self, shared: Shared) -> int:
        return count_for_density(self.density_at(shared.round), shared.layout.numel)

    def _select(self, x: Floats, shared: Shared) -> Indices:
        k = self._most(shared)
        stride = int(x.size // max(self.sample * x.size, _TOPS * x.size / max(k, 1), 1))
        if stride < 2:
            return select_top_k(x, k)
        start = int(shared.generator("dgc").integers(stride))
        sampled = np.abs(x[start::stride])
        top = sampled.size - count_for_density(k / x.size, sampled.size)
        kept = select_at_least(x, float(np.partition(sampled, top)[top]))
        if kept.size > k:
            return kept[select_top_k(x[kept], k)]
        return kept if kept.size >= _LEAST * k else select_top_k(x, k)
