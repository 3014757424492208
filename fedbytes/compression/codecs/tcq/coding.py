"""The levels of a trellis as bytes: each class coded by itself, merged again by the machine."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Floats, Int8s, Int32s, Int64s, UInt8s, UInt32s
from fedbytes.compression.codecs.tcq.search import Machine, Path, lanes_for
from fedbytes.compression.coding import rans
from fedbytes.compression.coding.integers import (
    DIRECT,
    DIRECT_BITS,
    histogram,
    join,
    token_of,
    tokens_of,
    unzigzag,
)
from fedbytes.compression.coding.reader import Reader, count_bytes
from fedbytes.compression.numerics.kernels import kernel
from fedbytes.compression.quantisers.uniform import MAX_LEVEL, Quantised

SHIFTS = 3  # |k| = 1, 2, and 3 or more are moved apart, in each class
_SHIFT_STEPS = 128
_LEAST_SHIFT = -96  # so that no level loses its sign
_NUMBER_LIMIT = 2 * MAX_LEVEL + 2
_DIRECT_CHOICES = (3, 7)


@dataclass(frozen=True)
class Coded:
    """Levels by class, ready for the entropy coder."""

    streams: tuple[Quantised, ...]

    def size(self) -> int:
        """Return about how many bytes `pack` gives."""
        return 3 + sum(stream.size() for stream in self.streams)

    def pack(self) -> bytes:
        """Return how many levels class 0 has, and the levels of each class."""
        head = count_bytes(self.streams[0].tokens.size)
        return b"".join((head, *(stream.pack() for stream in self.streams)))


def code(path: Path) -> Coded:
    """Return the levels of a path [n > 0] by class; a class without any has no stream."""
    tokens = np.empty(path.numbers.size, np.uint8)
    first = int(path.sizes[0].sum())
    _part(path.numbers, path.classes, first, tokens)
    large = np.zeros(0, np.int64)
    if int(tokens.max()) >= DIRECT:
        large = np.flatnonzero(path.numbers >= DIRECT)
    streams = []
    for c, part in enumerate((tokens[:first], tokens[first:])):
        if part.size:
            streams.append(_stream(part, path.numbers[large[path.classes[large] == c]]))
    return Coded(tuple(streams))


def _stream(tokens: UInt8s, large: UInt32s) -> Quantised:
    counts = histogram(tokens)
    if large.size:
        found = histogram(tokens_of(large))
        found[:DIRECT] = counts[:DIRECT]
        counts = found
    return Quantised(tokens, large, counts)


def shifts_of(path: Path) -> Int8s:
    """Return int8 [2, 3]: how far the cells' means lie beyond the points, in 1/128 of a step."""
    members = np.column_stack((path.sizes[:, 1:SHIFTS], path.sizes[:, SHIFTS:].sum(axis=1)))
    means = path.offsets[:, 1:] / 2.0**20 / np.maximum(members, 1)
    shifts: Int8s = np.clip(np.rint(means * _SHIFT_STEPS), _LEAST_SHIFT, 127).astype(np.int8)
    return shifts


def moves_of(shifts: Int8s) -> Floats:
    """Return float32 [2, 4]: the shifts of |k| = 0, 1, 2, 3 and beyond in steps."""
    return np.pad(shifts / np.float32(_SHIFT_STEPS), ((0, 0), (1, 0))).astype(np.float32)


def unpack(reader: Reader, count: int, machine: Machine, step: float, shifts: Int8s) -> Floats:
    """Return the `count` > 0 values that `Coded.pack` wrote, rounded to float32 once.

    Raises:
        ValueError: if the bytes are not those of a path through the machine.
    """
    first = reader.count("levels of class 0", count)
    sizes = (first, count - first)
    plain = np.zeros((2, 256), np.float32)
    parity = np.zeros((2, 256), np.uint8)
    limits = np.zeros(2, np.int64)
    tokens: list[UInt8s] = []
    large: list[Floats] = []
    odd: list[UInt8s] = []
    for c, size in enumerate(sizes):
        found, numbers, direct = _read(reader, size)
        known = np.arange(1 << direct, dtype=np.uint32)
        plain[c, : known.size] = _values(unzigzag(known), c, step, shifts)
        parity[c, : known.size] = known + 1 >> 1 & 1
        limits[c] = known.size
        tokens.append(found)
        large.append(_values(unzigzag(numbers), c, step, shifts))
        odd.append((numbers + 1 >> 1 & 1).astype(np.uint8))
    y = np.empty(count, np.float32)
    lanes = np.zeros(lanes_for(count), np.int64)
    whole = _merge(
        *(tokens[0], tokens[1], large[0], large[1], odd[0], odd[1]),
        *(plain, parity, limits, machine.follow, machine.classes, lanes, y),
    )
    if not whole:
        raise ValueError(f"{reader.what} payload: {sizes} levels by class are no path")
    return y


def _read(reader: Reader, count: int) -> tuple[UInt8s, UInt32s, int]:
    """Return a class's tokens, the numbers of those that are not direct, and the direct bits."""
    if count == 0:
        return np.empty(0, np.uint8), np.empty(0, np.uint32), DIRECT_BITS
    direct = reader.number("B", "direct bits", *_DIRECT_CHOICES)
    freqs = rans.read_freqs(reader, token_of(_NUMBER_LIMIT, direct) + 1)
    tokens = rans.decode(reader, count, freqs)
    beyond = tokens[tokens >= 1 << direct]
    return tokens, join(beyond, reader, _NUMBER_LIMIT, direct), direct


def _values(k: Int32s, c: int, step: float, shifts: Int8s) -> Floats:
    size = np.abs(k)
    moves = np.array([c, *shifts[c]], np.float64)
    moves[1:] /= _SHIFT_STEPS
    points = 2 * size - c + moves[np.minimum(size, SHIFTS)]
    return (np.sign(k) * points * step).astype(np.float32)


def _part_numpy(numbers: UInt32s, classes: UInt8s, first: int, tokens: UInt8s) -> None:
    tokens[:first] = np.minimum(numbers[classes == 0], 255)
    tokens[first:] = np.minimum(numbers[classes == 1], 255)


def _merge_numpy(
    tokens0: UInt8s,
    tokens1: UInt8s,
    large0: Floats,
    large1: Floats,
    odd0: UInt8s,
    odd1: UInt8s,
    plain: Floats,
    parity: UInt8s,
    limits: Int64s,
    follow: Int64s,
    classes: Int64s,
    states: Int64s,
    y: Floats,
) -> bool:
    decoded, odd = [], []
    for c, parts in enumerate(((tokens0, large0, odd0), (tokens1, large1, odd1))):
        decoded.append(plain[c][parts[0]])
        odd.append(parity[c][parts[0]])
        beyond = parts[0] >= limits[c]
        decoded[c][beyond], odd[c][beyond] = parts[1], parts[2]
    used = [0, 0]
    for start in range(0, y.size, states.size):
        part = y[start : start + states.size]
        now = states[: part.size]
        kind, parities = classes[now], np.empty(part.size, np.uint8)
        for c in range(2):
            member = kind == c
            size = int(np.count_nonzero(member))
            if used[c] + size > decoded[c].size:
                return False
            part[member] = decoded[c][used[c] : used[c] + size]
            parities[member] = odd[c][used[c] : used[c] + size]
            used[c] += size
        now[:] = follow[now, parities]
    return True


@kernel(_part_numpy)
def _part(numbers, classes, first, tokens):  # type: ignore[no-untyped-def]
    # The classes alternate at random: a branch would be mispredicted at every other number.
    at0, at1 = np.int64(0), np.int64(first)
    for i in range(numbers.size):
        c = np.int64(classes[i])
        tokens[at1 if c else at0] = np.uint8(min(numbers[i], np.uint32(255)))
        at0 += 1 - c
        at1 += c


@kernel(_merge_numpy)
def _merge(  # type: ignore[no-untyped-def]
    tokens0, tokens1, large0, large1, odd0, odd1, plain, parity, limits, follow, classes, states, y
):
    lanes = states.size
    at0, at1, far0, far1 = 0, 0, 0, 0
    for start in range(0, y.size, lanes):
        for lane in range(min(lanes, y.size - start)):
            state = states[lane]
            c = classes[state]
            if (at1 if c else at0) >= (tokens1.size if c else tokens0.size):
                return False
            token = tokens1[at1] if c else tokens0[at0]
            at0 += 1 - c
            at1 += c
            bit = np.int64(parity[c, token])
            if token < limits[c]:
                y[start + lane] = plain[c, token]
            else:
                y[start + lane] = large1[far1] if c else large0[far0]
                bit = np.int64(odd1[far1] if c else odd0[far0])
                far0 += 1 - c
                far1 += c
            states[lane] = follow[state, bit]
    return True
