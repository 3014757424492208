"""TernGrad: each coordinate as -1, 0 or 1 times its group's peak, at random."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.numerics.groups import group_peaks, group_sums
from fedbytes.compression.quantisers.stochastic_levels import StochasticLevelsCodec
from fedbytes.plugin_fields import added_field, bounded


@CODECS.register("terngrad")
@dataclass(frozen=True)
class TernGrad(StochasticLevelsCodec):
    """A coordinate becomes ± its group's largest magnitude with probability |x| / that, else zero.

    Wen et al. 2017 (arXiv 1705.07878), the ternary symbols entropy-coded. The error grows with
    the group's size, since its peak does; the paper clips against that.

    Wire (docs/wire/classic.md): exponent int16; scale float32 [groups]; token frequencies, coded
    tokens. Nothing for no coordinates.

    Unbiased without clipping, biased with it. Does not contract.

    Attributes:
        bucket: coordinates a scale; 0 gives each tensor of the layout one, as in the paper.
        clip: magnitudes are clipped to this many standard deviations of their group before
            rounding, 2.5 in the paper; 0 for never.
        scale: the magnitude that all groups of all senders have, if it is one; then messages add,
            and `bucket` and `clip` do not act.

    Example:
        >>> codec = make_codec("terngrad")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (21, [3.0, 0.0, 0.0, 3.0])
    """

    bucket: int = bounded(0, least=0)
    clip: float = bounded(0.0, least=0, most=1e6)
    scale: float | None = added_field(bounded(None, least=1e-30, most=1e30))
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"bucket": 64, "clip": 2.5},
        {"scale": 4.0},
    )
    levels: ClassVar[int] = 1  # type: ignore[misc]

    @property
    def unbiased(self) -> bool:
        """True without clipping."""
        return self.clip == 0 and self.scale is None

    def _norms(self, x: Floats, sizes: Int64s) -> Floats:
        peaks = group_peaks(x, sizes)
        if self.clip == 0:
            return peaks
        means = group_sums(x, sizes, 1) / sizes
        variances = np.maximum(group_sums(x, sizes, 2) / sizes - means**2, 0)
        limits = (self.clip * np.sqrt(variances)).astype(np.float32)
        # A group whose values are all alike has no deviation to clip by.
        return np.where(limits > 0, np.minimum(peaks, limits), peaks)
