"""Natural compression: sign and exponent of each coordinate, mantissas rounded away at random."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import CHUNK, UInt8s, UInt32s, Unsigned
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding import rans
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.integers import histogram
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.kernels import kernel

_MANTISSA = 23
_TOP = 254  # the largest exponent field of a finite float32


@CODECS.register("natural")
@dataclass(frozen=True)
class Natural(Codec):
    """Each magnitude rounded at random to one of the two powers of two around it.

    Horváth et al. 2019 (arXiv 1905.10988). The exponents are entropy-coded: about 3.6 bits a
    coordinate, signs included, where the paper has 9.

    Wire (docs/wire/classic.md): base uint8; frequencies and coded symbols [numel], 0 for zero and
    else exponent - base + 1; signs of those that are not zero, packed. Nothing for no coordinates.

    Unbiased for values below 2^127, subnormal ones included (they become 0 or 2^-126).
    Contracts: the error is at most 1/8 of the energy.
    """

    @property
    def unbiased(self) -> bool:
        """True."""
        return True

    @property
    def contracts(self) -> bool:
        """True, with delta = 7/8."""
        return True

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        noise = shared.generator("natural").random(x.size, np.float32)
        exponents = np.empty(x.size, np.uint8)
        _round(x.view(np.uint32), noise, exponents)
        counts = histogram(exponents)
        used = np.flatnonzero(counts[1:]) + 1
        base = int(used[0]) if used.size else 1
        if base > 1:
            counts = np.concatenate((counts[:1], counts[base:]))
            exponents = _symbols(exponents, base)
        freqs = rans.normalise(counts)
        signs = np.signbit(x)
        if counts[0]:
            signs = signs[exponents > 0]
        head = bytes([base]) + rans.pack_freqs(freqs)
        return b"".join((head, rans.encode(exponents, freqs), pack_bits(signs, 1)))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0:
            reader.end()
            return np.empty(0, np.float32)
        base = reader.number("B", "base", 1, _TOP)
        freqs = rans.read_freqs(reader, _TOP - base + 2)
        symbols = rans.decode(reader, numel, freqs)
        kept = int(np.count_nonzero(symbols))
        signs: Unsigned = unpack_bits(reader.take(packed_bytes(kept, 1), "signs"), kept, 1)
        reader.end()
        table = np.arange(base - 1, base + freqs.size - 1, dtype=np.uint32) << np.uint32(_MANTISSA)
        table[0] = 0
        y = table[symbols]
        if kept < numel:
            every = np.zeros(numel, np.uint8)
            every[symbols > 0] = signs
            signs = every
        for start in range(0, numel, CHUNK):
            part = signs[start : start + CHUNK]
            y[start : start + CHUNK] |= np.left_shift(part, 31, dtype=np.uint32)
        return y.view(np.float32)


def _symbols(exponents: UInt8s, base: int) -> UInt8s:
    table = np.arange(256) - (base - 1)
    symbols: UInt8s = np.maximum(table, 0).astype(np.uint8)[exponents]
    return symbols


def _round_numpy(bits: UInt32s, noise: Floats, exponents: UInt8s) -> None:
    carry = (noise * np.float32(1 << _MANTISSA)).astype(np.uint32)
    carry += bits & np.uint32(0x7FFFFFFF)
    exponents[:] = np.minimum(carry >> np.uint32(_MANTISSA), _TOP)


@kernel(_round_numpy)
def _round(bits, noise, exponents):  # type: ignore[no-untyped-def]
    scale = np.float32(8388608)
    for i in range(bits.size):
        carry = np.uint32(np.int32(noise[i] * scale)) + np.uint32(bits[i] & np.uint32(0x7FFFFFFF))
        exponent = np.uint32(carry) >> np.uint32(23)
        exponents[i] = np.uint8(exponent if exponent < np.uint32(254) else np.uint32(254))
