"""Sparse vectors as bytes, and what codecs that keep some coordinates have in common."""

import numpy as np

from fedbytes.arrays import CHUNK, Indices
from fedbytes.compression.codec import Floats
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.quantisers.log_magnitude import (
    PackedValues,
    pack_values,
    read_packed_values,
)


def pack_sparse(x: Floats, kept: Indices, bits: int) -> bytes:
    """Return how many coordinates are kept, which, and their values in `bits` each.

    Args:
        x: float32 [n].
        kept: ascending indices into x, none of a zero.
        bits: one of `WIDTHS`.
    """
    return b"".join((pack_count(kept.size), pack_indices(kept, x.size), pack_values(x[kept], bits)))


def read_sparse(reader: Reader, most: int, n: int, bits: int) -> Floats:
    """Return the float32 [n] vector that `pack_sparse` wrote, of at most `most` coordinates.

    Raises:
        ValueError: if the bytes cannot be that.
    """
    k = reader.count("kept", most)
    y = np.empty(n, np.float32)
    kept = read_indices(reader, k, n, y.view(np.uint32))
    scatter(y, kept, read_packed_values(reader, k, bits))
    return y


def scatter(y: Floats, kept: Indices, values: PackedValues) -> None:
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
