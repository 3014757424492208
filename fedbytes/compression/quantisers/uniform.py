"""The uniform quantiser as tokens for the entropy coder, with levels moved to the cells' means."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedbytes.arrays import CHUNK, Floats, Int8s, Int32s, Int64s, UInt8s, UInt32s
from fedbytes.compression.coding import rans
from fedbytes.compression.coding.integers import (
    DIRECT,
    DIRECT_BITS,
    histogram,
    join_into,
    ranges,
    split,
    token_of,
    tokens_of,
    unzigzag,
    zigzag,
)
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.numerics.kernels import kernel

MAX_LEVEL = 1 << 22  # |q| beyond this would be finer than float32
CLASSES = 3  # |q| = 1, 2, and 3 or more are moved apart
_NUMBER_LIMIT = 2 * MAX_LEVEL + 2
_FIXED = np.float32(1 << 20)
_SHIFT_STEPS = 256
_DIRECT_CHOICES = (3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Quantised:
    """A vector as symbols.

    Attributes:
        tokens: uint8 [n]: the zigzagged level below 128, else 128 or more.
        large: the levels of the latter, zigzagged, in order.
        counts: how often each of `split`'s tokens occurs.
    """

    tokens: UInt8s
    large: UInt32s
    counts: Int64s

    def size(self) -> int:
        """Return about how many bytes `pack` gives."""
        return min(size for size, _ in map(self._size, _DIRECT_CHOICES))

    def pack(self) -> bytes:
        """Return the width of direct tokens, frequencies, coded tokens and raw bits."""
        sizes = {direct: self._size(direct) for direct in _DIRECT_CHOICES}
        # Numbers with raw bits take time: they are to save 1/512 bit each.
        costs = {
            d: size + int(self.counts[1 << d :].sum()) // 4096 for d, (size, _) in sizes.items()
        }
        direct = min(costs, key=lambda d: (costs[d], -d))
        freqs = sizes[direct][1]
        tokens, raw = self._split(direct)
        return b"".join((bytes([direct]), rans.pack_freqs(freqs), rans.encode(tokens, freqs), raw))

    def _split(self, direct: int) -> tuple[UInt8s, bytes]:
        """Return the tokens if those below 2^direct are direct, and the raw bits of the others."""
        first = 1 << direct
        numbers = self.large
        if direct < DIRECT_BITS:
            numbers = np.empty(int(self.counts[first:].sum()), np.uint32)
            _collect(self.tokens, self.large, first, numbers)
        if numbers.size == 0:
            return self.tokens, b""
        coarse, raw = split(numbers, direct)
        tokens = np.empty_like(self.tokens)
        _replace(self.tokens, first, coarse, tokens)
        return tokens, raw

    def _size(self, direct: int) -> tuple[int, rans.Freqs]:
        """Return the bytes and the frequencies if tokens below 2^direct are direct.

        Rare symbols cost the others at least 1/4096 each; sharing tokens spares them that.
        """
        fewer = _coarser(direct)[: self.counts.size]
        counts = np.bincount(fewer, weights=self.counts).astype(np.int64)
        freqs = rans.normalise(counts)
        raw = int((counts * ranges(direct)[1][: counts.size]).sum()) // 8
        return 1 + len(rans.pack_freqs(freqs)) + rans.estimate(counts, freqs) + raw, freqs


@functools.cache
def _coarser(direct: int) -> UInt8s:
    """Return which token of fewer direct ones holds each token of 128 direct ones."""
    lows = ranges(DIRECT_BITS)[0].tolist()
    return np.array([token_of(low, direct) for low in lows], np.uint8)


def quantise(x: Floats, step: float, noise: Floats | None = None, dead: float = 0.0) -> Quantised:
    """Return x [n > 0] rounded to multiples of step, |x| / step below 2^22.

    Args:
        x: float32 [n].
        step: the quantiser's step.
        noise: float32 [n] dither in steps, added before rounding, or None.
        dead: how far, in steps, the thresholds are moved away from zero.
    """
    inverse, shift = np.float32(1.0 / step), np.float32(dead)
    tokens = np.empty(x.size, np.uint8)
    dither = np.empty(0, np.float32) if noise is None else noise
    largest = _tokens(x, dither, inverse, shift, tokens)
    counts = histogram(tokens)
    if largest < DIRECT:
        return Quantised(tokens, np.empty(0, np.uint32), counts)
    large = np.empty(int(counts[DIRECT:].sum()) + 1, np.uint32)
    _large(x, dither, inverse, shift, tokens, large)
    large = large[:-1]
    found = histogram(tokens_of(large))
    found[:DIRECT] = counts[:DIRECT]
    return Quantised(tokens, large, found)


def centroids(x: Floats, step: float, dead: float = 0.0) -> tuple[Int8s, float]:
    """Return how far to move |q| = 1, 2, 3+, in 1/256 of a step, and what the levels keep.

    The second is a lower bound, in squared steps, of how much of x's sum of squares is gone from
    the error once x is rounded to the moved levels.
    """
    sums = np.zeros((2, CLASSES), np.int64)
    _classes(x, np.float32(1.0 / step), np.float32(dead), sums)
    members, offsets = sums
    moves = offsets / float(_FIXED) / np.maximum(members, 1)
    shifts = np.clip(np.rint(moves * _SHIFT_STEPS), -128, 127).astype(np.int8)
    base = np.arange(1, CLASSES + 1)
    means, used = base + moves, base + shifts / _SHIFT_STEPS
    gains = 2 * means * used - used**2
    gains[-1] = CLASSES * (CLASSES - 1)  # each |q| keeps at least q^2 - |q| when not moved
    return shifts, float((members * gains).sum())


def unpack(reader: Reader, count: int, step: float, shifts: Any) -> Floats:
    """Return sign(q) (|q| + shift of its class / 256) step, rounded once, for each coordinate.

    Raises:
        ValueError: if the bytes are not what `Quantised.pack` writes for `count` coordinates.
    """
    direct = reader.number("B", "direct bits", _DIRECT_CHOICES[0], _DIRECT_CHOICES[-1])
    freqs = rans.read_freqs(reader, token_of(_NUMBER_LIMIT, direct) + 1)
    tokens = rans.decode(reader, count, freqs)
    table = np.zeros(256, np.float32)
    plain = np.arange(1 << direct, dtype=np.uint32)
    table[: plain.size] = _values(unzigzag(plain), step, shifts)
    y = np.empty(count, np.float32)
    _look_up(table, tokens, y)
    if freqs.size > plain.size:
        join_into(y.view(np.uint32), tokens, reader, _NUMBER_LIMIT, direct)
        moves = np.array([0, *shifts], np.float64) / _SHIFT_STEPS
        where = np.empty(CHUNK + 1, np.int32)
        _large_values(y.view(np.uint32), tokens, plain.size, moves, step, where, y)
    return y


def _values(q: Int32s, step: float, shifts: Any) -> Floats:
    size = np.abs(q)
    moves = np.array([0, *shifts], np.float64) / _SHIFT_STEPS
    return (np.sign(q) * (size + moves[np.minimum(size, CLASSES)]) * step).astype(np.float32)


def _numbers(scaled: Floats, dead: Any) -> UInt32s:
    levels = np.rint(np.abs(scaled) - dead)
    return zigzag(np.copysign(levels, scaled).astype(np.int32))


def _large_numpy(
    x: Floats, noise: Floats, inverse: Any, dead: Any, tokens: UInt8s, large: UInt32s
) -> None:
    where = np.flatnonzero(tokens >= DIRECT)
    scaled = x[where] * inverse
    if noise.size:
        scaled += noise[where]
    large[:-1] = _numbers(scaled, dead)


def _collect_numpy(tokens: UInt8s, large: UInt32s, first: int, numbers: UInt32s) -> None:
    numbers[:] = tokens[tokens >= first]
    numbers[numbers >= DIRECT] = large


def _replace_numpy(tokens: UInt8s, first: int, coarse: UInt8s, out: UInt8s) -> None:
    out[:] = tokens
    out[tokens >= first] = coarse


def _large_values_numpy(
    numbers: UInt32s, tokens: UInt8s, first: int, moves: Any, step: float, scratch: Any, y: Floats
) -> None:
    for start in range(0, y.size, CHUNK):
        where = start + np.flatnonzero(tokens[start : start + CHUNK] >= first)
        q = unzigzag(numbers[where])
        size = np.abs(q)
        y[where] = np.sign(q) * (size + moves[np.minimum(size, CLASSES)]) * step


def _tokens_numpy(x: Floats, noise: Floats, inverse: Any, dead: Any, tokens: UInt8s) -> int:
    scaled = x * inverse
    if noise.size:
        scaled += noise
    numbers = _numbers(scaled, dead)
    tokens[:] = np.minimum(numbers, 255)
    return int(numbers.max())


def _classes_numpy(x: Floats, inverse: Any, dead: Any, sums: Int64s) -> None:
    size = np.abs(x * inverse)
    level = np.rint(size - dead)
    offset = ((size - level) * _FIXED).astype(np.int32)
    for place, inside in enumerate((level == 1, level == 2, level > 2)):
        sums[0, place] = np.count_nonzero(inside)
        sums[1, place] = offset[inside].sum(dtype=np.int64)


def _look_up_numpy(table: Floats, tokens: UInt8s, y: Floats) -> None:
    np.take(table, tokens, out=y, mode="clip")


@kernel(_tokens_numpy)
def _tokens(x, noise, inverse, dead, tokens):  # type: ignore[no-untyped-def]
    largest = np.int32(0)
    dithered = noise.size > 0
    for start in range(0, x.size, 1024):
        part, out = x[start : start + 1024], tokens[start : start + 1024]
        dither = noise[start : start + 1024]
        for i in range(part.size):
            scaled = part[i] * inverse
            if dithered:
                scaled += dither[i]
            level = np.int32(np.rint(abs(scaled) - dead))
            q = level if scaled > 0 else np.int32(-level)
            number = np.int32(np.int32(q << np.int32(1)) ^ np.int32(q >> np.int32(31)))
            out[i] = np.uint8(number if number < np.int32(255) else np.int32(255))
            largest = number if number > largest else largest
    return largest


@kernel(_large_numpy)
def _large(x, noise, inverse, dead, tokens, large):  # type: ignore[no-untyped-def]
    # Large or not is hard to predict: each number is written, and kept if it is.
    at, dithered = np.uint64(0), noise.size > 0
    for i in range(x.size):
        scaled = x[i] * inverse
        if dithered:
            scaled += noise[i]
        level = np.int32(np.rint(abs(scaled) - dead))
        q = level if scaled > 0 else np.int32(-level)
        number = np.uint32(np.int32(q << np.int32(1)) ^ np.int32(q >> np.int32(31)))
        large[at] = number
        at += np.uint64(tokens[i] >= DIRECT)


@kernel(_collect_numpy)
def _collect(tokens, large, first, numbers):  # type: ignore[no-untyped-def]
    at, used = 0, 0
    for i in range(tokens.size):
        token = tokens[i]
        if token >= first:
            numbers[at] = np.uint32(token)
            if token >= DIRECT:
                numbers[at] = large[used]
                used += 1
            at += 1


@kernel(_replace_numpy)
def _replace(tokens, first, coarse, out):  # type: ignore[no-untyped-def]
    at, last = np.uint64(0), np.uint64(coarse.size - 1)
    for i in range(tokens.size):
        token, other = tokens[i], coarse[min(at, last)]
        rare = token >= first
        out[i] = other if rare else token
        at += np.uint64(rare)


@kernel(_large_values_numpy)
def _large_values(numbers, tokens, first, moves, step, where, y):  # type: ignore[no-untyped-def]
    for start in range(0, y.size, where.size - 1):
        part = tokens[start : start + where.size - 1]
        found = 0
        for i in range(part.size):  # in two loops, since large or not is hard to predict
            where[found] = i
            found += part[i] >= first
        for k in range(found):
            i = start + where[k]
            number = numbers[i]
            size = (number + np.uint32(1)) >> np.uint32(1)
            value = (np.float64(size) + moves[min(size, np.uint32(CLASSES))]) * step
            y[i] = np.float32(-value if number & np.uint32(1) else value)


@kernel(_classes_numpy)
def _classes(x, inverse, dead, sums):  # type: ignore[no-untyped-def]
    # Fixed point, so that the order of addition is free and the result the same everywhere.
    one, two = np.float32(1), np.float32(2)
    for start in range(0, x.size, 1024):
        part = x[start : start + 1024]
        n1, n2, n3 = 0, 0, 0
        s1, s2, s3 = np.int64(0), np.int64(0), np.int64(0)
        for i in range(part.size):
            size = abs(part[i] * inverse)
            level = np.rint(size - dead)
            offset = np.int32((size - level) * _FIXED)
            n1 += 1 if level == one else 0
            s1 += offset if level == one else np.int32(0)
            n2 += 1 if level == two else 0
            s2 += offset if level == two else np.int32(0)
            n3 += 1 if level > two else 0
            s3 += offset if level > two else np.int32(0)
        sums[0, 0] += n1
        sums[0, 1] += n2
        sums[0, 2] += n3
        sums[1, 0] += s1
        sums[1, 1] += s2
        sums[1, 2] += s3


@kernel(_look_up_numpy)
def _look_up(table, tokens, y):  # type: ignore[no-untyped-def]
    for i in range(tokens.size):
        y[i] = table[tokens[i]]
