"""Levels of the uniform quantiser: written as tokens, measured, and read back."""

from typing import Any

import numpy as np

from fedbytes.arrays import CHUNK, Floats, Int64s, UInt8s, UInt32s
from fedbytes.compression.coding.integers import (
    DIRECT,
    unzigzag,
    zigzag,
)
from fedbytes.compression.numerics.kernels import kernel

CLASSES = 3  # |q| = 1, 2, and 3 or more are moved apart
FIXED_POINT = np.float32(1 << 20)


def _numbers(scaled: Floats, dead: Any) -> UInt32s:
    levels = np.rint(np.abs(scaled) - dead)
    return zigzag(np.copysign(levels, scaled).astype(np.int32))


def _write_large_levels_numpy(
    x: Floats, noise: Floats, inverse: Any, dead: Any, tokens: UInt8s, large: UInt32s
) -> None:
    where = np.flatnonzero(tokens >= DIRECT)
    scaled = x[where] * inverse
    if noise.size:
        scaled += noise[where]
    large[:-1] = _numbers(scaled, dead)


def _collect_large_numpy(tokens: UInt8s, large: UInt32s, first: int, numbers: UInt32s) -> None:
    numbers[:] = tokens[tokens >= first]
    numbers[numbers >= DIRECT] = large


def _replace_large_numpy(tokens: UInt8s, first: int, coarse: UInt8s, out: UInt8s) -> None:
    out[:] = tokens
    out[tokens >= first] = coarse


def _write_large_values_numpy(
    numbers: UInt32s, tokens: UInt8s, first: int, moves: Any, step: float, scratch: Any, y: Floats
) -> None:
    for start in range(0, y.size, CHUNK):
        where = start + np.flatnonzero(tokens[start : start + CHUNK] >= first)
        q = unzigzag(numbers[where])
        size = np.abs(q)
        y[where] = np.sign(q) * (size + moves[np.minimum(size, CLASSES)]) * step


def _write_level_tokens_numpy(
    x: Floats, noise: Floats, inverse: Any, dead: Any, tokens: UInt8s
) -> int:
    scaled = x * inverse
    if noise.size:
        scaled += noise
    numbers = _numbers(scaled, dead)
    tokens[:] = np.minimum(numbers, 255)
    return int(numbers.max())


def _sum_offsets_numpy(x: Floats, inverse: Any, dead: Any, sums: Int64s) -> None:
    size = np.abs(x * inverse)
    level = np.rint(size - dead)
    offset = ((size - level) * FIXED_POINT).astype(np.int32)
    for position, inside in enumerate((level == 1, level == 2, level > 2)):
        sums[0, position] = np.count_nonzero(inside)
        sums[1, position] = offset[inside].sum(dtype=np.int64)


def _look_up_tokens_numpy(table: Floats, tokens: UInt8s, y: Floats) -> None:
    np.take(table, tokens, out=y, mode="clip")


@kernel(_write_level_tokens_numpy)
def write_level_tokens(x, noise, inverse, dead, tokens):
    """Write the zigzagged level of each coordinate, at most 255; return the largest level."""
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


@kernel(_write_large_levels_numpy)
def write_large_levels(x, noise, inverse, dead, tokens, large):
    """Write the zigzagged levels from `DIRECT` on; `large` has one position to spare."""
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


@kernel(_collect_large_numpy)
def collect_large(tokens, large, first, numbers):
    """Write the numbers whose tokens are from `first` on."""
    at, used = 0, 0
    for i in range(tokens.size):
        token = tokens[i]
        if token >= first:
            numbers[at] = np.uint32(token)
            if token >= DIRECT:
                numbers[at] = large[used]
                used += 1
            at += 1


@kernel(_replace_large_numpy)
def replace_large(tokens, first, coarse, out):
    """Copy tokens below `first`, and take the others from `coarse` in order."""
    at, last = np.uint64(0), np.uint64(coarse.size - 1)
    for i in range(tokens.size):
        token, other = tokens[i], coarse[min(at, last)]
        rare = token >= first
        out[i] = other if rare else token
        at += np.uint64(rare)


@kernel(_write_large_values_numpy)
def write_large_values(numbers, tokens, first, moves, step, where, y):
    """Write the values of numbers whose tokens are from `first` on."""
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


@kernel(_sum_offsets_numpy)
def sum_offsets(x, inverse, dead, sums):
    """Add members and offsets from the level of |q| = 1, 2, and 3 or more."""
    # Fixed point, so that the order of addition is free and the result the same everywhere.
    one, two = np.float32(1), np.float32(2)
    for start in range(0, x.size, 1024):
        part = x[start : start + 1024]
        n1, n2, n3 = 0, 0, 0
        s1, s2, s3 = np.int64(0), np.int64(0), np.int64(0)
        for i in range(part.size):
            size = abs(part[i] * inverse)
            level = np.rint(size - dead)
            offset = np.int32((size - level) * FIXED_POINT)
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


@kernel(_look_up_tokens_numpy)
def look_up_tokens(table, tokens, y):
    """Write the value of each token."""
    for i in range(tokens.size):
        y[i] = table[tokens[i]]
