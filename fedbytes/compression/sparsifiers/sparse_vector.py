"""Sparse vectors as bytes: how many coordinates are kept, which, and their values."""

import numpy as np

from fedbytes.arrays import CHUNK, Floats, Indices
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.quantisers.log_magnitude import (
    PackedValues,
    pack_values,
    read_packed_values,
)


def pack_sparse(x: Floats, kept: Indices, bits: int) -> bytes:
    """Return the number of kept coordinates, their indices, and their values in `bits` each.

    Args:
        x: float32 [n].
        kept: ascending indices into x, none of a zero.
        bits: one of `WIDTHS`.
    """
    return b"".join((pack_count(kept.size), pack_indices(kept, x.size), pack_values(x[kept], bits)))


def read_sparse(reader: Reader, most: int, n: int, bits: int) -> Floats:
    """Return the float32 [n] vector that `pack_sparse` wrote, with at most `most` coordinates.

    Raises:
        ValueError: unless `pack_sparse` wrote the bytes.
    """
    k = reader.count("kept", most)
    y = np.empty(n, np.float32)
    kept = read_indices(reader, k, n, y.view(np.uint32))
    scatter(y, kept, read_packed_values(reader, k, bits))
    return y


def scatter(y: Floats, kept: Indices, values: PackedValues) -> None:
    """Set y [n] to the values [k] at the ascending indices `kept` [k], and to zero elsewhere.

    It works from the end, so that `kept` may share the memory at the start of y: the i-th index is
    at least i.
    """
    end = y.size
    for start in range((kept.size - 1) // CHUNK * CHUNK, -1, -CHUNK):
        where = kept[start : start + CHUNK].copy()
        y[where[0] : end] = 0
        y[where] = values.piece(start, start + where.size)
        end = int(where[0])
    y[:end] = 0
