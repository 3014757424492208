"""The uniform quantiser as tokens for the entropy coder, with levels moved to the cells' means."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import rans
from .core import Floats
from .kernels import kernel
from .rans import Bytes
from .tokens import DIRECT, join, split, token_of, unzigzag, zigzag
from .wire import Reader

MAX_LEVEL = 1 << 22  # |q| beyond this would be finer than float32
CLASSES = 3  # |q| = 1, 2, and 3 or more are moved apart
_NUMBER_LIMIT = 2 * MAX_LEVEL + 2
_FIXED = np.float32(1 << 20)
_SHIFT_STEPS = 256


@dataclass(frozen=True)
class Quantised:
    """A vector as symbols.

    Attributes:
        tokens: uint8 [n], for the entropy coder.
        raw: the raw bits of tokens at or above 128.
        counts: how often each token occurs.
        shifts: int8 [3], how far |q| = 1, 2, 3+ is moved, in 1/256 of a step.
        kept: sum of squares, in steps, that the levels take off the vector's; a lower bound.
    """

    tokens: Bytes
    raw: bytes
    counts: npt.NDArray[np.int64]
    shifts: npt.NDArray[np.int8]
    kept: float

    def size(self) -> int:
        """Return about how many bytes `pack` gives."""
        freqs = rans.normalise(self.counts)
        return len(rans.pack_freqs(freqs)) + rans.estimate(self.counts, freqs) + len(self.raw)

    def pack(self) -> bytes:
        """Return frequencies, coded tokens and raw bits."""
        freqs = rans.normalise(self.counts)
        return rans.pack_freqs(freqs) + rans.encode(self.tokens, freqs) + self.raw


def quantise(x: Floats, step: float, noise: Floats | None = None) -> Quantised:
    """Return round(x / step + noise) of float32 x [n], n > 0, |x| / step below 2^22."""
    inverse = np.float32(1.0 / step)
    tokens = np.empty(x.size, np.uint8)
    sums = np.zeros((2, CLASSES), np.int64)
    dither = np.empty(0, np.float32) if noise is None else noise
    largest = _quantise(x, dither, inverse, tokens, sums)
    raw = b""
    if largest >= DIRECT:
        scaled = x * inverse
        if noise is not None:
            scaled += noise
        tokens, raw = split(zigzag(np.rint(scaled).astype(np.int32)))
    members, offsets = sums
    means = offsets / float(_FIXED) / np.maximum(members, 1)
    shifts = np.rint(means * _SHIFT_STEPS).astype(np.int8)
    level = np.arange(1, CLASSES + 1) + shifts / _SHIFT_STEPS
    # Class 3+ counts as if at its lower edge.
    place = np.where(np.arange(CLASSES) < CLASSES - 1, level - shifts / _SHIFT_STEPS + means, 2.5)
    level = np.minimum(level, place)
    kept = float((members * (2 * place * level - level**2)).sum())
    return Quantised(tokens, raw, histogram(tokens), shifts, kept)


def unpack(reader: Reader, count: int) -> tuple[Bytes, npt.NDArray[np.uint32] | None]:
    """Return the tokens, and the numbers they stand for where a token needs raw bits.

    Raises:
        ValueError: if the bytes are not what `Quantised.pack` writes for `count` coordinates.
    """
    freqs = rans.read_freqs(reader, token_of(_NUMBER_LIMIT) + 1)
    tokens = rans.decode(reader, count, freqs)
    if freqs.size <= DIRECT:
        return tokens, None
    return tokens, join(tokens, reader, _NUMBER_LIMIT)


def levels(
    tokens: Bytes, numbers: npt.NDArray[np.uint32] | None, step: float, shifts: Any
) -> Floats:
    """Return sign(q) (|q| + shift of its class / 256) step, rounded once, for each coordinate."""
    if numbers is None:
        q = unzigzag(np.arange(DIRECT, dtype=np.uint32))
        return np.take(_values(q, step, shifts), tokens)
    return _values(unzigzag(numbers), step, shifts)


def _values(q: npt.NDArray[np.int32], step: float, shifts: Any) -> Floats:
    size = np.abs(q)
    moves = np.array([0, *shifts], np.float64) / _SHIFT_STEPS
    return (np.sign(q) * (size + moves[np.minimum(size, CLASSES)]) * step).astype(np.float32)


def histogram(tokens: Bytes) -> npt.NDArray[np.int64]:
    """Return how often each token occurs, up to the largest that does."""
    counts = np.zeros((4, 256), np.int64)
    _histogram(tokens, counts)
    total = counts.sum(axis=0)
    return total[: np.flatnonzero(total)[-1] + 1]


def _quantise_numpy(x: Floats, noise: Floats, inverse: Any, tokens: Bytes, sums: Any) -> int:
    scaled = x * inverse
    if noise.size:
        scaled += noise
    q = np.rint(scaled)
    size = np.abs(q)
    offset = ((np.abs(scaled) - size) * _FIXED).astype(np.int32)
    for place in range(CLASSES):
        inside = size == place + 1 if place < CLASSES - 1 else size >= CLASSES
        sums[0, place] += np.count_nonzero(inside)
        sums[1, place] += offset[inside].sum(dtype=np.int64)
    numbers = zigzag(q.astype(np.int32))
    tokens[:] = numbers
    return int(numbers.max())


def _histogram_numpy(tokens: Bytes, counts: npt.NDArray[np.int64]) -> None:
    counts[0] += np.bincount(tokens, minlength=256)


@kernel(_quantise_numpy)
def _quantise(x, noise, inverse, tokens, sums):  # type: ignore[no-untyped-def]
    dithered = noise.size > 0
    largest = np.uint32(0)
    n1, n2, n3 = np.int64(0), np.int64(0), np.int64(0)
    s1, s2, s3 = np.int64(0), np.int64(0), np.int64(0)
    for i in range(x.size):
        scaled = x[i] * inverse
        if dithered:
            scaled += noise[i]
        rounded = np.rint(scaled)
        q = np.int32(rounded)
        size = abs(q)
        number = np.uint32((q << np.int32(1)) ^ (q >> np.int32(31)))
        tokens[i] = np.uint8(number)
        largest = max(largest, number)
        offset = np.int64(np.int32((abs(scaled) - abs(rounded)) * _FIXED))
        n1 += size == 1
        n2 += size == 2
        n3 += size > 2
        s1 += offset if size == 1 else 0
        s2 += offset if size == 2 else 0
        s3 += offset if size > 2 else 0
    sums[0, 0], sums[0, 1], sums[0, 2] = n1, n2, n3
    sums[1, 0], sums[1, 1], sums[1, 2] = s1, s2, s3
    return np.int64(largest)


@kernel(_histogram_numpy)
def _histogram(tokens, counts):  # type: ignore[no-untyped-def]
    # Four tables: neighbours are often equal, and one table would wait for its own last write.
    whole = tokens.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, tokens[i]] += 1
        counts[1, tokens[i + 1]] += 1
        counts[2, tokens[i + 2]] += 1
        counts[3, tokens[i + 3]] += 1
    for i in range(whole, tokens.size):
        counts[0, tokens[i]] += 1
