"""Correlated quantisation: dither spread evenly over the clients of a round."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.compression.codec import CODECS, DIGEST_BYTES, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.squared_norm import squared_norm
from fedbytes.compression.numerics.step_rounding import round_step
from fedbytes.compression.quantisers.bits_or_step import check_bits_or_step
from fedbytes.compression.quantisers.dither import common_dither, fold_signs, unfold_signs
from fedbytes.compression.quantisers.level_tokens import LevelTokens, read_uniform
from fedbytes.compression.quantisers.uniform import quantise_uniform
from fedbytes.compression.quantisers.uniform_rate import quantise_at_rate
from fedbytes.plugin_fields import bounded

DEFAULT_BITS = 2.0
_LIMIT = math.sqrt(12)  # step / rms below which the error is below the energy
_CONTRACTING_BITS = 1.0  # from this rate on, the step is kept below the limit
_OVERHEAD = 1 + 2 + 4 + DIGEST_BYTES  # form, exponent, step, digest


@CODECS.register("correlated")
@dataclass(frozen=True)
class Correlated(Codec):
    """A uniform quantiser whose dither is stratified over the round's clients.

    Suresh et al. 2022 (arXiv 2203.04925), with the dither subtracted by the receiver and symbols
    entropy-coded. The dither of the client at `Shared.place` p is common noise plus the radical
    inverse of p, modulo 1. Where clients agree their rounding errors cancel: at 1.3 bit and 64
    clients of correlation 0.9 the mean's error is a quarter below that of independent dither, and
    nothing is lost where they do not. One client by itself has `ecsq`'s dithered quantiser.

    Each client's step follows from its own vector. A step common to all would serve the mean
    better only where norms differ by more than about a half, and then would give up the rate.

    Wire (docs/wire/classic.md): nothing for no coordinates; a byte 0 for a zero vector, or 1,
    exponent int16, step float32, token frequencies, coded tokens, raw bits.

    Unbiased for each client, whoever else takes part. Contracts for step < sqrt(12), and for
    bits >= 1, where the step is kept below that.

    Attributes:
        bits: target rate per coordinate, all bytes included, 0.05 to 16. Give this or step; 2
            without either.
        step: quantiser step as a multiple of the vector's root mean square.

    Example:
        >>> codec = make_codec("correlated", bits=2.0)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (22, [3.004, -1.889, -0.8297, 0.2547, 1.41, 0.07067, -1.141, 2.111])
    """

    bits: float | None = bounded(None, least=0.05, most=16)
    step: float | None = bounded(None, least=2.0**-12, most=64)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"bits": 1.0}, {"bits": 2.0}, {"step": 4.0})
    unbiased: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits_or_step(self, DEFAULT_BITS)

    @property
    def contracts(self) -> bool:
        """True where the step is bounded below sqrt(12) times the root mean square."""
        if self.bits is not None:
            return self.bits >= _CONTRACTING_BITS
        return (self.step or 0) < _LIMIT

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        scaled, exponent = split_exponent(x)
        total = squared_norm(scaled)
        if total == 0:
            return b"\0" if x.size else b""
        dither = common_dither(shared, self.name)
        folded = fold_signs(scaled, dither)
        step, coded = self._quantise(folded, math.sqrt(total / x.size), np.abs(dither, out=dither))
        head = b"\1" + pack_exponent(exponent)
        return b"".join((head, np.array(step, "<f4").tobytes(), coded.pack()))

    def _quantise(self, x: Floats, rms: float, noise: Floats) -> tuple[float, LevelTokens]:
        step = round_step((self.step or 0.95 * _LIMIT) * rms)
        if self.bits is not None:
            match = quantise_at_rate(x, self.bits, rms, _OVERHEAD, noise)
            if not self.contracts or match.step <= step:
                return match.step, match.coded
        return step, quantise_uniform(x, step, noise)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0 or reader.number("B", "form", 0, 1) == 0:
            reader.end()
            return np.zeros(numel, np.float32)
        exponent = read_exponent(reader)
        step = float(reader.number("f", "step", 2.0**-100, 2.0**100))
        y = read_uniform(reader, numel, 1.0)
        reader.end()
        return apply_exponent(unfold_signs(y, common_dither(shared, self.name), step), exponent)
