"""Trellis-coded quantisation with entropy-coded levels: closer to Shannon than any scalar one."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.compression.codec import CODECS, DIGEST_BYTES, Codec, Floats, Payload
from fedbytes.compression.codecs.tcq.coding import OFFSETS, read_trellis
from fedbytes.compression.codecs.tcq.rate import (
    TrellisMatch,
    quantise_at_least_error,
    quantise_at_step,
    quantise_trellis_at_rate,
)
from fedbytes.compression.codecs.tcq.search import TRELLISES
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.squared_norm import squared_norm
from fedbytes.compression.numerics.step_rounding import round_step
from fedbytes.compression.quantisers.bits_or_step import check_bits_or_step
from fedbytes.compression.quantisers.unbiased import (
    InnerQuantiser,
    pack_unbiased,
    read_unbiased,
    scale_bytes,
)
from fedbytes.plugin_fields import bounded

DEFAULT_BITS = 2.0
_FIXED_BYTES = 1 + 2 + 4 + 2 * OFFSETS + DIGEST_BYTES  # form, exponent, step, offsets, digest
_WORST = 1 - 1 / 256  # share of the energy that may be lost
_FINE_STEP = 0.3  # of the rms: even the path of state 0, with points 4 steps apart, keeps 64 %
_UNBIASED_BITS = 1.0  # from this rate on the error is below the energy
_UNBIASED_STEP = 1.0


@CODECS.register("tcq")
@dataclass(frozen=True)
class Tcq(Codec):
    """Trellis-coded quantisation (Marcellin and Fischer 1990) with entropy-coded levels.

    Two quantisers with points at even and at odd multiples of the step take turns, as the
    parities of the levels before decide: dependent quantisation, as in VVC (Schwarz et al. 2019).
    The encoder finds the levels of least error + rate (Viterbi). At 1 M Gaussian coordinates it
    is 0.79 / 0.63 / 0.54 dB above Shannon at 1 / 2 / 4 bits, where `ecsq` is 1.5; its encoder is
    some ten times slower. NMSE of unbiased there: 0.43 / 0.078 / 0.0044.

    Wire (docs/wire/entropy.md): nothing for no coordinates; else a byte 0 for a zero vector, or
    1, exponent int16, for unbiased the groups' scales, then step float32, offsets int8 [6], and
    the levels of both quantisers, each entropy-coded.

    Nearest contracts: where less than 1/256 of the energy would be kept, the step is lowered. It
    is what to use with error feedback, and on heavy tails. Unbiased rotates the vector and scales
    as EDEN does; it is unbiased as far as the rotation is uniform, which two rounds of Hadamard
    transforms are from some hundred coordinates on. It contracts for bits >= 1 and step <= 1,
    where a finer step is taken if the error were above 255/256 of the energy.

    Attributes:
        bits: target rate per coordinate, all bytes included, 0.05 to 16; match within 2 % from
            about 100,000 coordinates on, if the vector has that much entropy. Levels below 2^22
            end at 15 bits where the largest is 1000 rms, and where magnitudes are all alike the
            rate jumps from little to 1 bit. Give this or step; 2 without either.
        step: distance of the points of both quantisers together, as a multiple of the vector's
            root mean square. At equal rate it is about 0.6 of the step of `ecsq`.
        states: 4 or 8; 4 is 0.1 to 0.2 dB worse and hardly faster.
        rounding: "nearest" or "unbiased".

    Example:
        >>> codec = make_codec("tcq", step=1.0)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (38, [2.501, 0.0, 0.0, 1.752, 0.0, 0.0, -2.501, 1.752])
    """

    bits: float | None = bounded(None, least=0.05, most=16)
    step: float | None = bounded(None, least=2.0**-12, most=64)
    states: Literal[4, 8] = 8
    rounding: Literal["nearest", "unbiased"] = "nearest"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"bits": 0.5},
        {"bits": 2.0, "states": 4},
        {"step": 0.5},
        {"step": 1.0, "rounding": "unbiased"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits_or_step(self, DEFAULT_BITS)

    @property
    def unbiased(self) -> bool:
        """True for unbiased, as far as the rotation is uniform (see the class)."""
        return self.rounding == "unbiased"

    @property
    def contracts(self) -> bool:
        """True for nearest; else where the error is kept below the energy."""
        if self.rounding == "nearest":
            return True
        if self.bits is not None:
            return self.bits >= _UNBIASED_BITS
        return (self.step or 0) <= _UNBIASED_STEP

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        scaled, exponent = split_exponent(x)
        total = squared_norm(scaled)
        if total == 0:
            return b"\0" if x.size else b""
        head = b"\1" + pack_exponent(exponent)
        if self.rounding == "nearest":
            return head + self._pack(scaled, False)
        rms = math.sqrt(total / x.size)
        coarse = 2.0 * (self.step or 0) if self.bits is None else 2.0 ** (2.05 - self.bits)
        quantiser = InnerQuantiser(
            self._pack, lambda reader: self._unpack(reader, x.size), round_step(coarse * rms)
        )
        generator = shared.generator("tcq")
        return head + pack_unbiased(scaled, generator, quantiser, self.contracts)

    def _pack(self, x: Floats, fine: bool) -> bytes:
        total = squared_norm(x)
        rms, trellis = math.sqrt(total / x.size), TRELLISES[self.states]
        match = None if fine else self._quantise(x, rms)
        if match is None or total - match.kept * match.step**2 > _WORST * total:
            match = quantise_at_least_error(x, _FINE_STEP * rms, trellis)
        head = np.array(match.step, "<f4").tobytes() + match.offsets.tobytes()
        return head + match.coded.pack()

    def _quantise(self, x: Floats, rms: float) -> TrellisMatch:
        trellis = TRELLISES[self.states]
        if self.bits is None:
            return quantise_at_step(x, (self.step or 0) * rms, trellis)
        overhead = _FIXED_BYTES + (scale_bytes(x.size) if self.unbiased else 0)
        return quantise_trellis_at_rate(x, self.bits, rms, overhead, trellis)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0 or reader.number("B", "form", 0, 1) == 0:
            reader.end()
            return np.zeros(numel, np.float32)
        exponent = read_exponent(reader)
        if self.rounding == "nearest":
            y = self._unpack(reader, numel)
        else:
            generator = shared.generator("tcq")
            y = read_unbiased(reader, numel, generator, lambda r: self._unpack(r, numel))
        reader.end()
        return apply_exponent(y, exponent)

    def _unpack(self, reader: Reader, numel: int) -> Floats:
        step = float(reader.number("f", "step", 2.0**-100, 2.0**100))
        offsets = reader.array("i1", 2 * OFFSETS, "offsets").reshape(2, OFFSETS)
        return read_trellis(reader, numel, TRELLISES[self.states], step, offsets)
