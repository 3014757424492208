"""QSGD: stochastic rounding to a few levels of each bucket's norm, symbols coded by rANS."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.numerics.groups import group_peaks, group_sums
from fedbytes.compression.quantisers.stochastic_levels import StochasticLevelsCodec
from fedbytes.plugin_fields import added_field, bounded

_MOST_LEVELS = 1 << 15


@CODECS.register("qsgd")
@dataclass(frozen=True)
class Qsgd(StochasticLevelsCodec):
    """Each coordinate rounded up or down at random to a multiple of its bucket's norm / levels.

    Alistarh et al. 2017 (arXiv 1610.02132), whose Elias codes are replaced by one entropy coder
    over the message.

    Wire (docs/wire/classic.md): exponent int16; norm float32 [buckets]; token frequencies, coded
    tokens, raw bits. Nothing for no coordinates.

    Unbiased. The error is at most bucket / (4 levels^2) of the energy: contracts while that is
    below 1.

    Attributes:
        levels: levels above zero, s in the paper.
        bucket: coordinates a norm, d in the paper.
        norm: "l2" as in the paper's analysis, or "max", which gives finer levels and more bits.
        scale: norm of all buckets of all senders, if it is one; then messages add, and what is
            beyond it is clipped.

    Example:
        >>> codec = make_codec("qsgd", levels=3)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (26, [3.775, -1.258, 0.0, 2.517])
    """

    levels: int = bounded(15, least=1, most=_MOST_LEVELS)
    bucket: int = bounded(512, least=1)
    norm: Literal["l2", "max"] = "l2"
    scale: float | None = added_field(bounded(None, least=1e-30, most=1e30))
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"levels": 127},
        {"levels": 1, "bucket": 64},
        {"levels": 7, "norm": "max"},
        {"levels": 7, "scale": 4.0},
    )

    @property
    def unbiased(self) -> bool:
        """True without a scale, which clips."""
        return self.scale is None

    @property
    def contracts(self) -> bool:
        """True where the levels are fine enough for the bucket, and fitted to it."""
        return self.scale is None and self.bucket < 4 * self.levels**2

    def _norms(self, x: Floats, sizes: Int64s) -> Floats:
        if self.norm == "max":
            return group_peaks(x, sizes)
        return np.sqrt(group_sums(x, sizes, 2)).astype(np.float32)
