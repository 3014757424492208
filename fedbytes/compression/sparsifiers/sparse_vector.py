"""Sparse vectors as bytes, and what codecs that keep some coordinates have in common."""

from abc import abstractmethod

import numpy as np

from fedbytes.arrays import CHUNK, LARGEST_FLOAT, Indices, UInt32s
from fedbytes.compression.codec import Codec, Floats, Payload
from fedbytes.compression.coding.index_sets import index_type, pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, count_bytes
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.log_magnitude import WIDTHS, Values, open_values, pack_values

_DRAWN_AT_A_TIME = 1 << 16


def pack_sparse(x: Floats, kept: Indices, bits: int) -> bytes:
    """Return how many coordinates are kept, which, and their values in `bits` each.

    Args:
        x: float32 [n].
        kept: ascending indices into x, none of a zero.
        bits: one of `WIDTHS`.
    """
    return b"".join(
        (count_bytes(kept.size), pack_indices(kept, x.size), pack_values(x[kept], bits))
    )


def read_sparse(reader: Reader, most: int, n: int, bits: int) -> Floats:
    """Return the float32 [n] vector that `pack_sparse` wrote, of at most `most` coordinates.

    Raises:
        ValueError: if the bytes cannot be that.
    """
    k = reader.count("kept", most)
    y = np.empty(n, np.float32)
    kept = read_indices(reader, k, n, y.view(np.uint32))
    spread(y, kept, open_values(reader, k, bits))
    return y


def scale_up(values: Floats, factor: float) -> Floats:
    """Return values * factor, kept within float32's range, in the values' memory if it may be."""
    out = np.require(values, requirements=["W"])
    for start in range(0, out.size, CHUNK):
        with np.errstate(invalid="ignore"):  # of damaged payloads; refused when all is decoded
            wide = out[start : start + CHUNK].astype(np.float64) * factor
            out[start : start + CHUNK] = np.clip(wide, -LARGEST_FLOAT, LARGEST_FLOAT)
    return out


def spread(y: Floats, kept: Indices, values: Values) -> None:
    """Set y [n] to the values [k] at the ascending indices `kept` [k], and to zero elsewhere.

    From the end, so that `kept` may lie in y's own memory, at its start: an index is never less
    than its place.
    """
    end = y.size
    for start in range((kept.size - 1) // CHUNK * CHUNK, -1, -CHUNK):
        where = kept[start : start + CHUNK].copy()
        y[where[0] : end] = 0
        y[where] = values.piece(start, start + where.size)
        end = int(where[0])
    y[:end] = 0


def at_least(x: Floats, cutoff: float) -> Indices:
    """Return the ascending indices of the coordinates of magnitude `cutoff` and more, zeros never.

    Args:
        x: float32 [n].
        cutoff: rounded to float32 before the comparison.
    """
    # Magnitudes' bit patterns sort like the magnitudes.
    lowest = max(int(np.float32(cutoff).view(np.int32)), 1)
    return np.flatnonzero((x.view(np.int32) & np.int32(0x7FFFFFFF)) >= lowest)


def drawn(generator: np.random.Generator, n: int, k: int) -> Indices:
    """Return k of n indices, ascending, each set of k as likely as any other.

    They are those whose random uint32 is smallest; ties go to the lower index.
    """
    if k >= n:
        return np.arange(n, dtype=index_type(n))
    # Uniform keys: nearly always a few more than k are below this, and few are to be sorted.
    likely = min((k + 6 * k**0.5 + 32) / n, 1) * (2**32 - 1)
    before = generator.bit_generator.state
    near, keys = _keys_below(generator, n, np.uint32(likely))
    if near.size < k:
        generator.bit_generator.state = before
        near, keys = _keys_below(generator, n, np.uint32(2**32 - 1))
    edge = np.partition(keys, k - 1)[k - 1]
    kept = keys < edge
    kept[np.flatnonzero(keys == edge)[: k - np.count_nonzero(kept)]] = True
    chosen: Indices = near[kept]
    return chosen


def _keys_below(
    generator: np.random.Generator, n: int, limit: np.uint32
) -> tuple[Indices, UInt32s]:
    """Return which of n random uint32 are at most `limit`, and these."""
    places, keys = [], []
    for start in range(0, n, _DRAWN_AT_A_TIME):
        drawn = generator.integers(0, 1 << 32, min(_DRAWN_AT_A_TIME, n - start), np.uint32)
        near = np.flatnonzero(drawn <= limit)
        places.append((near + start).astype(index_type(n)))
        keys.append(drawn[near])
    return np.concatenate(places), np.concatenate(keys)


def share_of(density: float, numel: int) -> int:
    """Return density * numel rounded half to even, at least 1 if there are any coordinates."""
    return min(numel, max(1, round(density * numel)))


def check_density(name: str, density: float) -> None:
    """Raise a ValueError unless density is in (0, 1]."""
    if not 0 < density <= 1:
        raise ValueError(f"{name}: density must be in (0, 1], got {density}")


def check_bits(name: str, bits: int) -> None:
    """Raise a ValueError unless kept values can have that many bits."""
    if bits not in WIDTHS:
        raise ValueError(f"{name}: bits must be one of {WIDTHS}, got {bits}")


class SparseCodec(Codec):
    """A codec that sends some coordinates; a subclass says which, and how many there may be.

    Wire: the number of kept coordinates as LEB128, their indices (`indices.py`), their values
    (`values.py`). Zeros are never sent, since a zero that is not sent is exact.

    It contracts if the largest coordinate is always among the kept: values are read back on their
    own side of zero, near themselves.
    """

    bits: int

    @property
    def contracts(self) -> bool:
        """True: the largest coordinate is always kept."""
        return True

    @property
    def sparse(self) -> bool:
        """True: what is not sent is zero."""
        return True

    @abstractmethod
    def _select(self, x: Floats, shared: Shared) -> Indices:
        """Return the ascending indices of the kept coordinates, none of a zero."""

    @abstractmethod
    def _most(self, shared: Shared) -> int:
        """Return how many coordinates may be kept at most."""

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return pack_sparse(x, self._select(x, shared), self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        y = read_sparse(reader, self._most(shared), shared.layout.numel, self.bits)
        reader.end()
        return y
