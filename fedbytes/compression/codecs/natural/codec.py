"""Natural compression: sign and exponent of each coordinate, mantissas rounded away at random."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.arrays import CHUNK, UInt8s, Unsigned
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.codecs.natural.loops import (
    FLOAT_MANTISSA_BITS,
    LARGEST_EXPONENT,
    round_exponents,
)
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.frequency_tables import normalise_counts, pack_freqs, read_freqs
from fedbytes.compression.coding.integers import count_tokens
from fedbytes.compression.coding.rans import decode_symbols, encode_symbols
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared


@CODECS.register("natural")
@dataclass(frozen=True)
class NaturalCompression(Codec):
    """Each magnitude rounded at random to one of the two powers of two around it.

    Horváth et al. 2019 (arXiv 1905.10988). The exponents are entropy-coded: about 3.6 bits a
    coordinate, signs included, where the paper has 9.

    Wire (docs/wire/classic.md): base uint8; frequencies and coded symbols [numel], 0 for zero and
    else exponent - base + 1; signs of those that are not zero, packed. Nothing for no coordinates.

    Unbiased for values below 2^127, subnormal ones included (they become 0 or 2^-126).
    Contracts: the error is at most 1/8 of the energy.

    Example:
        >>> codec = make_codec("natural")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (18, [2.0, -1.0, 0.5, 2.0])
    """

    unbiased: ClassVar[bool] = True
    contracts: ClassVar[bool] = True

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        noise = shared.generator("natural").random(x.size, np.float32)
        exponents = np.empty(x.size, np.uint8)
        round_exponents(x.view(np.uint32), noise, exponents)
        counts = count_tokens(exponents)
        used = np.flatnonzero(counts[1:]) + 1
        base = int(used[0]) if used.size else 1
        if base > 1:
            counts = np.concatenate((counts[:1], counts[base:]))
            exponents = _symbols(exponents, base)
        freqs = normalise_counts(counts)
        signs = np.signbit(x)
        if counts[0]:
            signs = signs[exponents > 0]
        head = bytes([base]) + pack_freqs(freqs)
        return b"".join((head, encode_symbols(exponents, freqs), pack_bits(signs, 1)))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0:
            reader.end()
            return np.empty(0, np.float32)
        base = reader.number("B", "base", 1, LARGEST_EXPONENT)
        freqs = read_freqs(reader, LARGEST_EXPONENT - base + 2)
        symbols = decode_symbols(reader, numel, freqs)
        kept = int(np.count_nonzero(symbols))
        signs: Unsigned = unpack_bits(reader.take(packed_bytes(kept, 1), "signs"), kept, 1)
        reader.end()
        table = np.arange(base - 1, base + freqs.size - 1, dtype=np.uint32) << np.uint32(
            FLOAT_MANTISSA_BITS
        )
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
