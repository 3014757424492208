"""Runs of coordinates squared, quantised and dequantised, with sums in lanes."""

import numpy as np

from fedbytes.arrays import Doubles, Floats, Int32s, Int64s, UInt8s
from fedbytes.compression.numerics.kernels import kernel

SUM_LANES = 256  # partial sums per run: a fixed order of additions that still vectorises


def _fold(lanes: Doubles) -> float:
    """Return the sum of LANES numbers by repeated halving."""
    while lanes.size > 1:
        half = lanes.size // 2
        lanes = lanes[:half] + lanes[half:]
    return float(lanes[0])


def _lane_sum(values: Doubles) -> float:
    """Return the sum in the order of the kernels: by lanes, then by halving."""
    lanes = np.zeros(SUM_LANES)
    for start in range(0, values.size, SUM_LANES):
        piece = values[start : start + SUM_LANES]
        lanes[: piece.size] += piece
    return _fold(lanes)


def _sum_run_squares_numpy(
    y: Floats, starts: Int64s, stops: Int64s, lanes: Doubles, out: Doubles
) -> None:
    for run in range(out.size):
        wide = y[starts[run] : stops[run]].astype(np.float64)
        out[run] = _lane_sum(wide * wide)


def _quantise_runs_numpy(
    y: Floats,
    starts: Int64s,
    stops: Int64s,
    inverses: Floats,
    edges: Floats,
    table: Floats,
    scaled: Floats,
    lanes: Doubles,
    index: Int32s,
    codes: UInt8s,
    sums: Doubles,
) -> None:
    at = 0
    for run in range(starts.size):
        part = y[starts[run] : stops[run]]
        sizes = np.abs(part)
        places = np.searchsorted(edges, sizes * inverses[run])
        used = table[places].astype(np.float64)
        codes[at : at + part.size] = 2 * places + (part < 0)
        sums[run] = _lane_sum(sizes * used), _lane_sum(used * used)
        at += part.size


def _dequantise_runs_numpy(
    codes: UInt8s, starts: Int64s, stops: Int64s, scales: Floats, table: Floats, y: Floats
) -> None:
    at = 0
    for run in range(starts.size):
        part = y[starts[run] : stops[run]]
        np.multiply(table[codes[at : at + part.size]], scales[run], out=part)
        at += part.size


@kernel(_sum_run_squares_numpy)
def sum_run_squares(y, starts, stops, lanes, out):
    """Write the sum of squares of each run."""
    for run in range(out.size):
        part = y[starts[run] : stops[run]]
        lanes[:] = 0.0
        for start in range(0, part.size, SUM_LANES):
            piece = part[start : start + SUM_LANES]
            for i in range(piece.size):
                wide = np.float64(piece[i])
                lanes[i] += wide * wide
        half = SUM_LANES // 2
        while half > 0:
            for i in range(half):
                lanes[i] += lanes[half + i]
            half //= 2
        out[run] = lanes[0]


@kernel(_quantise_runs_numpy)
def quantise_runs(y, starts, stops, inverses, edges, table, scaled, lanes, index, codes, sums):
    """Write the codes of each run, and the sums of |y| * level and of level^2."""
    products, squares = lanes[0], lanes[1]
    at = 0
    for run in range(starts.size):
        part = y[starts[run] : stops[run]]
        inverse = inverses[run]
        lanes[:] = 0.0
        for start in range(0, part.size, SUM_LANES):
            piece = part[start : start + SUM_LANES]
            out = codes[at : at + piece.size]
            for i in range(piece.size):
                scaled[i] = abs(piece[i]) * inverse
                index[i] = 0
            for j in range(edges.size):
                edge = edges[j]
                for i in range(piece.size):
                    index[i] += np.int32(scaled[i] > edge)
            for i in range(piece.size):
                level = np.float64(table[index[i]])
                products[i] += np.float64(abs(piece[i])) * level
                squares[i] += level * level
            for i in range(piece.size):
                sign = np.int32(1) if piece[i] < 0 else np.int32(0)
                out[i] = np.uint8(np.int32(np.int32(index[i] << np.int32(1)) | sign))
            at += piece.size
        half = SUM_LANES // 2
        while half > 0:
            for i in range(half):
                products[i] += products[half + i]
                squares[i] += squares[half + i]
            half //= 2
        sums[run, 0] = products[0]
        sums[run, 1] = squares[0]


@kernel(_dequantise_runs_numpy)
def dequantise_runs(codes, starts, stops, scales, table, y):
    """Write the level of each code times the scale of its run."""
    at = 0
    for run in range(starts.size):
        part, scale = y[starts[run] : stops[run]], scales[run]
        given = codes[at : at + part.size]
        for i in range(part.size):
            part[i] = table[given[i]] * scale
        at += part.size
