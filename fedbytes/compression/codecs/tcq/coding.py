"""The levels of a trellis as bytes: each class coded separately, merged along the trellis."""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Floats, Int8s, Int32s, UInt8s, UInt32s
from fedbytes.compression.codecs.tcq.loops.class_loops import merge_classes, split_classes
from fedbytes.compression.codecs.tcq.search import Trellis, TrellisPath, trellis_lanes
from fedbytes.compression.coding.frequency_tables import read_freqs
from fedbytes.compression.coding.integers import (
    DIRECT,
    DIRECT_BITS,
    count_tokens,
    join_tokens,
    token_of,
    tokens_of,
    unzigzag,
)
from fedbytes.compression.coding.rans import decode_symbols
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.quantisers.level_tokens import MAX_LEVEL, LevelTokens

OFFSETS = 3  # |k| = 1, 2, and 3 or more have an offset, in each class
_OFFSET_STEPS = 128
_LEAST_OFFSET = -96  # keeps the sign of each level
_NUMBER_LIMIT = 2 * MAX_LEVEL + 2
_DIRECT_CHOICES = (3, 7)


@dataclass(frozen=True)
class CodedLevels:
    """Levels by class, ready for the entropy coder."""

    streams: tuple[LevelTokens, ...]

    def size(self) -> int:
        """Estimate the bytes of `pack`."""
        return 3 + sum(stream.size() for stream in self.streams)

    def pack(self) -> bytes:
        """Return the number of levels of class 0, then the levels of each class."""
        head = pack_count(self.streams[0].tokens.size)
        return b"".join((head, *(stream.pack() for stream in self.streams)))


def code_path(path: TrellisPath) -> CodedLevels:
    """Split the levels of a path [n > 0] by class; an empty class has no stream."""
    tokens = np.empty(path.numbers.size, np.uint8)
    first = int(path.sizes[0].sum())
    split_classes(path.numbers, path.classes, first, tokens)
    large = np.zeros(0, np.int64)
    if int(tokens.max()) >= DIRECT:
        large = np.flatnonzero(path.numbers >= DIRECT)
    streams = []
    for c, part in enumerate((tokens[:first], tokens[first:])):
        if part.size:
            streams.append(_class_tokens(part, path.numbers[large[path.classes[large] == c]]))
    return CodedLevels(tuple(streams))


def _class_tokens(tokens: UInt8s, large: UInt32s) -> LevelTokens:
    counts = count_tokens(tokens)
    if large.size:
        found = count_tokens(tokens_of(large))
        found[:DIRECT] = counts[:DIRECT]
        counts = found
    return LevelTokens(tokens, large, counts)


def path_offsets(path: TrellisPath) -> Int8s:
    """Return int8 [2, 3]: offsets of the cells' means from the points, in 1/128 step."""
    members = np.column_stack((path.sizes[:, 1:OFFSETS], path.sizes[:, OFFSETS:].sum(axis=1)))
    means = path.offsets[:, 1:] / 2.0**20 / np.maximum(members, 1)
    offsets: Int8s = np.clip(np.rint(means * _OFFSET_STEPS), _LEAST_OFFSET, 127).astype(np.int8)
    return offsets


def offsets_in_steps(offsets: Int8s) -> Floats:
    """Return float32 [2, 4]: the offsets of |k| = 0, 1, 2, 3 and beyond, in steps."""
    return np.pad(offsets / np.float32(_OFFSET_STEPS), ((0, 0), (1, 0))).astype(np.float32)


def read_trellis(
    reader: Reader, count: int, trellis: Trellis, step: float, offsets: Int8s
) -> Floats:
    """Return the `count` > 0 values that `CodedLevels.pack` wrote, rounded to float32 once.

    Raises:
        ValueError: unless the bytes are those of a path through the trellis.
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
        found, numbers, direct = _read_class(reader, size)
        known = np.arange(1 << direct, dtype=np.uint32)
        plain[c, : known.size] = _point_values(unzigzag(known), c, step, offsets)
        parity[c, : known.size] = known + 1 >> 1 & 1
        limits[c] = known.size
        tokens.append(found)
        large.append(_point_values(unzigzag(numbers), c, step, offsets))
        odd.append((numbers + 1 >> 1 & 1).astype(np.uint8))
    y = np.empty(count, np.float32)
    lanes = np.zeros(trellis_lanes(count), np.int64)
    # The state decides which class the next level comes from; its parity decides the next state.
    whole = merge_classes(
        *(tokens[0], tokens[1], large[0], large[1], odd[0], odd[1]),
        *(plain, parity, limits, trellis.next_states, trellis.classes, lanes, y),
    )
    if not whole:
        raise ValueError(
            f"{reader.name} payload: class sizes {sizes} do not form a valid trellis path"
        )
    return y


def _read_class(reader: Reader, count: int) -> tuple[UInt8s, UInt32s, int]:
    """Return the tokens of a class, the numbers that are not direct, and the direct bits."""
    if count == 0:
        return np.empty(0, np.uint8), np.empty(0, np.uint32), DIRECT_BITS
    direct = reader.number("B", "direct bits", *_DIRECT_CHOICES)
    freqs = read_freqs(reader, token_of(_NUMBER_LIMIT, direct) + 1)
    tokens = decode_symbols(reader, count, freqs)
    beyond = tokens[tokens >= 1 << direct]
    return tokens, join_tokens(beyond, reader, _NUMBER_LIMIT, direct), direct


def _point_values(k: Int32s, c: int, step: float, offsets: Int8s) -> Floats:
    size = np.abs(k)
    moves = np.array([c, *offsets[c]], np.float64)
    moves[1:] /= _OFFSET_STEPS
    points = 2 * size - c + moves[np.minimum(size, OFFSETS)]
    return (np.sign(k) * points * step).astype(np.float32)
