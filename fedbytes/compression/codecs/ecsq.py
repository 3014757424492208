"""Entropy-coded scalar quantisation: one step for the whole message, symbols coded by rANS."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import Int8s
from fedbytes.compression.codec import CODECS, DIGEST_BYTES, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.squared_norm import squared_norm
from fedbytes.compression.numerics.step_rounding import round_step
from fedbytes.compression.quantisers.bits_or_step import check_bits_or_step
from fedbytes.compression.quantisers.dither import fold_signs, unfold_signs
from fedbytes.compression.quantisers.level_tokens import read_uniform
from fedbytes.compression.quantisers.loops.uniform_loops import CLASSES
from fedbytes.compression.quantisers.unbiased import (
    InnerQuantiser,
    pack_unbiased,
    read_unbiased,
    scale_bytes,
)
from fedbytes.compression.quantisers.uniform import level_offsets, quantise_uniform
from fedbytes.compression.quantisers.uniform_rate import RateMatch, quantise_at_rate
from fedbytes.plugin_fields import bounded

DEFAULT_BITS = 2.0
_NEAREST_LIMIT = 2.0  # step / rms below which nearest rounding contracts for every vector
_DITHER_LIMIT = math.sqrt(12)
_DITHER_BITS = 1.0  # from this rate on, the step stays below the limit by itself
_UNBIASED_BITS = 1.5  # from this rate on the error stays well below the energy, short vectors too
_UNBIASED_STEP = 1.5
_FINE_STEP = 0.45  # of the rms: leaves an error of at most 5 %
_FIXED_BYTES = 1 + 2 + 4 + DIGEST_BYTES  # form, exponent, step, digest
_STEPS = (2.0**-100, 2.0**100)
_WORST = 1 - 1 / 256  # share of the energy that nearest rounding at a rate may lose
_LEAST_CUT = 1 / 128  # of a step that loses more


@CODECS.register("ecsq")
@dataclass(frozen=True)
class Ecsq(Codec):
    """A uniform quantiser whose symbols are entropy-coded (Gish and Pierce 1968).

    One step serves all tensors: at a given rate that is what minimises the total error. Nearest
    moves the levels ±1, ±2 and beyond to their cells' means, and for bits widens the cell of zero
    where that pays. Dither adds noise that both ends
    know before rounding and subtracts it after (Ziv 1985); coordinates are mirrored where it is
    negative, so that the frequencies of the symbols know its skew (`dither.py`). Unbiased rotates
    the vector at random, rounds as nearest does, and scales as EDEN does (`unbiased.py`).

    Which unbiased one? NMSE at 1 M coordinates at 0.5 / 1 / 2 / 4 bits, unbiased against dither:
    Gaussian 1.62 / 0.54 / 0.098 / 0.0056 against 4.4 / 0.65 / 0.100 / 0.0057, Student-t(3), which
    the rotation makes Gaussian, the same against 3.2 / 0.51 / 0.071 / 0.0038. So unbiased at low
    rates, dither from 1 bit on where tails are heavy; dither is also exactly unbiased.

    Wire (docs/wire.md): nothing for no coordinates; else a byte 0 for a zero vector, or 1,
    exponent int16, for unbiased the groups' scales, step float32, but for dither the offsets
    int8 [3], the token frequencies, the coded tokens, raw bits.

    Dither is unbiased, and so is unbiased as far as the rotation is uniform, which its two
    rounds are from some hundred coordinates on. Nearest contracts for step < 2, since the error is
    at most step^2 / 4 of the energy; for bits always, since the step is reduced where more than
    255/256 would be lost. Dither contracts for step < sqrt(12), and for bits >= 1, where the step
    is kept below that. Unbiased contracts for step <= 1.5 and bits >= 1.5: a finer step is taken if
    the error were above 255/256 of the energy.

    Attributes:
        bits: target rate per coordinate, all bytes included, 0.05 to 16; match within 2 % from
            about 100,000 coordinates on, if the vector has that much entropy. Give this or step;
            2 without either.
        step: quantiser step as a multiple of the vector's root mean square.
        rounding: "nearest", "dither" or "unbiased".

    Example:
        >>> codec = make_codec("ecsq", step=1.0)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (28, [3.002, -1.625, 0.0, 1.625, 0.0, 0.0, -1.625, 1.625])
    """

    bits: float | None = bounded(None, least=0.05, most=16)
    step: float | None = bounded(None, least=2.0**-12, most=64)
    rounding: Literal["nearest", "dither", "unbiased"] = "nearest"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"bits": 0.5},
        {"bits": 1.0},
        {"bits": 2.0},
        {"bits": 8.0},
        {"step": 1.0},
        {"step": 4.0},
        {"bits": 1.0, "rounding": "dither"},
        {"bits": 2.0, "rounding": "dither"},
        {"step": 0.5, "rounding": "dither"},
        {"bits": 1.0, "rounding": "unbiased"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits_or_step(self, DEFAULT_BITS)

    @property
    def unbiased(self) -> bool:
        """True for dither, and for unbiased as far as the rotation is uniform."""
        return self.rounding != "nearest"

    @property
    def contracts(self) -> bool:
        """True where step and rounding bound the error below the energy."""
        if self.bits is not None:
            least = {"nearest": 0.0, "dither": _DITHER_BITS, "unbiased": _UNBIASED_BITS}
            return self.bits >= least[self.rounding]
        step = self.step or 0
        if self.rounding == "unbiased":
            return step <= _UNBIASED_STEP
        return step < (_NEAREST_LIMIT if self.rounding == "nearest" else _DITHER_LIMIT)

    def _noise(self, shared: Shared) -> Floats | None:
        if self.rounding != "dither":
            return None
        noise = shared.generator("ecsq").random(shared.layout.numel, np.float32)
        noise -= np.float32(0.5)
        return noise

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        scaled, exponent = split_exponent(x)
        total = squared_norm(scaled)
        if total == 0:
            return b"\0" if x.size else b""
        head = b"\1" + pack_exponent(exponent)
        if self.rounding == "unbiased":
            return head + self._encode_unbiased(scaled, total, shared)
        noise = self._noise(shared)
        if noise is not None:
            scaled = fold_signs(scaled, noise)
            np.abs(noise, out=noise)
        return head + self._pack(scaled, total, noise)

    def _encode_unbiased(self, x: Floats, total: float, shared: Shared) -> bytes:
        rms = math.sqrt(total / x.size)
        coarse = (self.step or 0) if self.bits is None else 2.0 ** (2.05 - self.bits)
        quantiser = InnerQuantiser(
            self._pack_rotated,
            lambda reader: _unpack(reader, x.size),
            round_step(coarse * rms),
        )
        return pack_unbiased(x, shared.generator("ecsq"), quantiser, self.contracts)

    def _pack_rotated(self, x: Floats, fine: bool) -> bytes:
        total = squared_norm(x)
        if not fine:
            return self._pack(x, total, None)
        match = _at(x, _FINE_STEP * math.sqrt(total / x.size), None)
        return _join(match, level_offsets(x, match.step)[0].tobytes())

    def _pack(self, x: Floats, total: float, noise: Floats | None) -> bytes:
        match = self._quantise(x, total, noise)
        offsets = b""
        if noise is None:
            match, moves = self._contracting(x, total, match)
            offsets = moves.tobytes()
        return _join(match, offsets)

    def _quantise(self, x: Floats, total: float, noise: Floats | None) -> RateMatch:
        rms = math.sqrt(total / x.size)
        if self.bits is None:
            return _at(x, (self.step or 0) * rms, noise)
        overhead = _FIXED_BYTES + (CLASSES if noise is None else 0)
        overhead += scale_bytes(x.size) if self.rounding == "unbiased" else 0
        match = quantise_at_rate(x, self.bits, rms, overhead, noise)
        if noise is not None and self.contracts and match.step > 0.95 * _DITHER_LIMIT * rms:
            return _at(x, 0.95 * _DITHER_LIMIT * rms, noise)
        return match

    def _contracting(self, x: Floats, total: float, match: RateMatch) -> tuple[RateMatch, Int8s]:
        """Return the levels' offsets too, and a smaller step where too little would be kept."""
        offsets, lost = _lost(x, total, match)
        least, cut = 0.95 * _NEAREST_LIMIT * math.sqrt(total / x.size), _LEAST_CUT
        while self.bits is not None and lost > _WORST * total and match.step > least:
            match = _at(x, max(match.step * (1 - cut), least), None)
            offsets, lost = _lost(x, total, match)
            cut = min(2 * cut, 0.5)  # what is flat needs little: all its large values are alike
        return match, offsets

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0 or reader.number("B", "form", 0, 1) == 0:
            reader.end()
            return np.zeros(numel, np.float32)
        exponent = read_exponent(reader)
        if self.rounding == "unbiased":
            generator = shared.generator("ecsq")
            y = read_unbiased(reader, numel, generator, lambda r: _unpack(r, numel))
        elif self.rounding == "nearest":
            y = _unpack(reader, numel)
        else:
            step = float(reader.number("f", "step", *_STEPS))
            y = read_uniform(reader, numel, 1.0)
            noise = self._noise(shared)
            y = y if noise is None else unfold_signs(y, noise, step)
        reader.end()
        return apply_exponent(y, exponent)


def _at(x: Floats, step: float, noise: Floats | None) -> RateMatch:
    step = round_step(step)
    return RateMatch(step, 0.0, quantise_uniform(x, step, noise))


def _lost(x: Floats, total: float, match: RateMatch) -> tuple[Int8s, float]:
    """Return the levels' offsets, and how much of the energy is lost at most."""
    offsets, kept = level_offsets(x, match.step, match.dead_zone)
    square = match.step * match.step
    return offsets, min((0.5 + match.dead_zone) ** 2 * square * x.size, total - kept * square)


def _join(match: RateMatch, offsets: bytes) -> bytes:
    return b"".join((np.array(match.step, "<f4").tobytes(), offsets, match.coded.pack()))


def _unpack(reader: Reader, numel: int) -> Floats:
    step = float(reader.number("f", "step", *_STEPS))
    return read_uniform(reader, numel, step, reader.array("i1", CLASSES, "offsets"))
