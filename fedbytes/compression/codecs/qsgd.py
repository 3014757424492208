"""QSGD: stochastic rounding to a few levels of each bucket's norm, symbols coded by rANS."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.groups import group_peaks, group_sizes, group_sums
from fedbytes.compression.quantisers.stochastic_levels import (
    pack_stochastic_levels,
    read_stochastic_levels,
)
from fedbytes.plugin_fields import bounded

_MOST_LEVELS = 1 << 15


@CODECS.register("qsgd")
@dataclass(frozen=True)
class Qsgd(Codec):
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

    Example:
        >>> codec = make_codec("qsgd", levels=3)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (26, [3.775, -1.258, 0.0, 2.517])
    """

    levels: int = bounded(15, least=1, most=_MOST_LEVELS)
    bucket: int = bounded(512, least=1)
    norm: Literal["l2", "max"] = "l2"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"levels": 127},
        {"levels": 1, "bucket": 64},
        {"levels": 7, "norm": "max"},
    )
    unbiased: ClassVar[bool] = True

    @property
    def contracts(self) -> bool:
        """True where the levels are fine enough for the bucket."""
        return self.bucket < 4 * self.levels**2

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        sizes = group_sizes(shared.layout, self.bucket)
        scaled, exponent = split_exponent(x)
        if self.norm == "max":
            norms = group_peaks(scaled, sizes)
        else:
            norms = np.sqrt(group_sums(scaled, sizes, 2)).astype(np.float32)
        noise = shared.generator("qsgd").random(x.size, np.float32)
        noise -= np.float32(0.5)
        norms, symbols = pack_stochastic_levels(scaled, norms, self.levels, sizes, noise)
        head = pack_exponent(exponent)
        return b"".join((head, norms.astype("<f4").tobytes(), symbols))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        sizes = group_sizes(shared.layout, self.bucket)
        reader = Reader(data, self.name)
        exponent = read_exponent(reader) if numel else 0
        norms = reader.floats(sizes.size, "norms")
        if numel == 0:
            y = np.empty(0, np.float32)
        else:
            y = read_stochastic_levels(reader, norms, self.levels, sizes, numel)
        reader.end()
        return apply_exponent(y, exponent)
