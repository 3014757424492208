"""The Viterbi search: costs of the branches, survivors, traceback, and the levels found.

LLVM must vectorise these loops. Branch costs do not depend on states, so they take thousands of
coordinates at a time. Survivors take a row of lanes, unrolled over the states, in one array at
constant distances, so that no two can alias.
"""

from typing import Any

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt8s, UInt32s
from fedbytes.compression.numerics.kernels import kernel

LEVEL_CAP = 63  # levels beyond share its rate and its offset
TRELLIS_CHUNK = 2048
TRELLIS_LANES = 32
OFFSET_SCALE = np.float32(1 << 20)
_STATES = 8
_SPARE = _STATES * TRELLIS_LANES  # where a row collects its decisions
METRIC_SIZE = _SPARE + TRELLIS_LANES
COST_SIZE = 4 * TRELLIS_CHUNK + TRELLIS_LANES  # a short row reads past the end, and ignores it
SCRATCH_SIZE = 11 * TRELLIS_CHUNK


def _branch_costs_numpy(
    part: Floats, inverse: Any, table: Floats, scratch: Floats, costs: Floats, choices: UInt8s
) -> None:
    scaled = np.abs(part) * inverse
    choices[:] = 0
    for c in range(2):
        below = ((scaled + np.float32(c)) * np.float32(0.5)).astype(np.int32)
        rows = table[c][np.minimum(below, LEVEL_CAP + 1)]
        down = np.where(below > 0, below - 1, 1)
        errors = [
            scaled - ((2 * level - c).astype(np.float32) + rows[:, position])
            for position, level in enumerate((below, below + 1, down))
        ]
        exact, upper, lower = (e * e + rows[:, 3 + position] for position, e in enumerate(errors))
        other, odd = np.where(lower < upper, lower, upper), below & 1 == 1
        start = 2 * c * TRELLIS_CHUNK
        costs[start : start + part.size] = np.where(odd, other, exact)
        costs[start + TRELLIS_CHUNK : start + TRELLIS_CHUNK + part.size] = np.where(
            odd, exact, other
        )
        choices |= (lower < upper).astype(np.uint8) << np.uint8(c)


def _survivors_numpy(
    costs: Floats, metric: Floats, lanes: int, decisions: UInt8s, predecessors: Int64s
) -> None:
    states = predecessors.shape[1]
    came, branch = predecessors & 7, predecessors >> 3
    rows = costs[: 4 * TRELLIS_CHUNK].reshape(4, TRELLIS_CHUNK)
    metrics = metric[: states * TRELLIS_LANES].reshape(states, TRELLIS_LANES)
    weights = (1 << np.arange(states)).astype(np.int64)
    for start in range(0, decisions.size, lanes):
        width = min(lanes, decisions.size - start)
        now, cost = metrics[:, :width], rows[:, start : start + width]
        first, second = (now[came[way]] + cost[branch[way]] for way in range(2))
        less = second < first
        decisions[start : start + width] = weights @ less
        best = np.where(less, second, first)
        now[:] = best - best[0]


def _trace_back_numpy(
    ends: Int64s, predecessors: Int64s, decisions: UInt8s, choices: UInt8s
) -> None:
    lanes, states = ends.size, ends.copy()
    for start in range((decisions.size - 1) // lanes * lanes, -1, -lanes):
        given = decisions[start : start + lanes]
        now = states[: given.size]
        way = predecessors[given >> now.astype(np.uint8) & 1, now]
        now[:] = way & 7
        lower = choices[start : start + lanes] >> (way >> 4).astype(np.uint8) & 1
        choices[start : start + lanes] = way >> 3 | lower << 2


def _write_levels_numpy(
    x: Floats, inverse: Any, choices: UInt8s, numbers: UInt32s, tally: Int64s, kept: Any
) -> None:
    scaled = np.abs(x) * inverse
    c, parity, lower = (choices >> 1 & 1).astype(np.int64), choices & 1, choices >> 2
    below = ((scaled + c.astype(np.float32)) * np.float32(0.5)).astype(np.int64)
    level = below + ((below ^ parity) & 1) * (1 - 2 * lower.astype(np.int64))
    some = level > 0
    numbers[:] = 2 * level - (some & (x < 0))
    choices[:] = c
    point = (2 * level - c * some).astype(np.float32)
    np.add.at(tally, (c, np.minimum(level, LEVEL_CAP)), 1)
    moved = ((scaled - point) * OFFSET_SCALE).astype(np.int64)
    np.add.at(tally, (2 + c, np.minimum(level, 3)), moved)
    wide = point.astype(np.float64)
    energy = np.zeros(-(-x.size // TRELLIS_LANES) * TRELLIS_LANES)
    energy[: x.size] = wide * (2 * scaled.astype(np.float64) - wide)
    for row in energy.reshape(-1, TRELLIS_LANES):
        kept += row


@kernel(_branch_costs_numpy)
def branch_costs(part, inverse, table, scratch, costs, choices):
    """Write the least cost of an even and an odd level of each class, TRELLIS_CHUNK apart.

    Bit c of a choice says that below, not above, the neighbour of other parity is cheaper.
    """
    size = part.size
    half, two, zero = np.float32(0.5), np.float32(2), np.float32(0)
    one, top = np.int32(1), np.int32(LEVEL_CAP + 1)
    for i in range(size):
        scratch[i] = abs(part[i]) * inverse
        scratch[2 * TRELLIS_CHUNK + i] = zero
    for c in range(2):
        shift, bit = np.float32(c), np.float32(1 + c)
        rows = table[c]
        for i in range(size):
            scratch[TRELLIS_CHUNK + i] = np.float32(np.int32((scratch[i] + shift) * half))
        for i in range(size):
            row = rows[np.uintp(min(np.int32(scratch[TRELLIS_CHUNK + i]), top))]
            scratch[3 * TRELLIS_CHUNK + i] = row[0]
            scratch[4 * TRELLIS_CHUNK + i] = row[1]
            scratch[5 * TRELLIS_CHUNK + i] = row[2]
            scratch[6 * TRELLIS_CHUNK + i] = row[3]
            scratch[7 * TRELLIS_CHUNK + i] = row[4]
            scratch[8 * TRELLIS_CHUNK + i] = row[5]
        for i in range(size):
            scaled, below = scratch[i], scratch[TRELLIS_CHUNK + i]
            point = below + below
            down = point - two if point > zero else two
            error = scaled - ((point - shift) + scratch[3 * TRELLIS_CHUNK + i])
            exact = error * error + scratch[6 * TRELLIS_CHUNK + i]
            error = scaled - ((point + two - shift) + scratch[4 * TRELLIS_CHUNK + i])
            upper = error * error + scratch[7 * TRELLIS_CHUNK + i]
            error = scaled - ((down - shift) + scratch[5 * TRELLIS_CHUNK + i])
            lower = error * error + scratch[8 * TRELLIS_CHUNK + i]
            other = lower if lower < upper else upper
            odd = (np.int32(below) & one) == one
            scratch[9 * TRELLIS_CHUNK + i] = other if odd else exact
            scratch[10 * TRELLIS_CHUNK + i] = exact if odd else other
            scratch[2 * TRELLIS_CHUNK + i] += bit if lower < upper else zero
        start = 2 * c * TRELLIS_CHUNK
        costs[start : start + size] = scratch[9 * TRELLIS_CHUNK : 9 * TRELLIS_CHUNK + size]
        costs[start + TRELLIS_CHUNK : start + TRELLIS_CHUNK + size] = scratch[
            10 * TRELLIS_CHUNK : 10 * TRELLIS_CHUNK + size
        ]
    for i in range(size):
        choices[i] = np.uint8(scratch[2 * TRELLIS_CHUNK + i])


@kernel(_survivors_numpy)
def survivors_of_4(costs, metric, lanes, decisions, predecessors):
    """Advance every lane of 4 states through a chunk; one decision bit per state."""
    one, before = np.int32(1), np.empty(METRIC_SIZE, np.float32)
    for start in range(0, decisions.size, lanes):
        width = min(lanes, decisions.size - start)
        if width < lanes:
            before[:] = metric
        at = np.uintp(start)
        for lane in range(TRELLIS_LANES):
            m0, m1 = metric[lane], metric[TRELLIS_LANES + lane]
            m2, m3 = metric[2 * TRELLIS_LANES + lane], metric[3 * TRELLIS_LANES + lane]
            position = at + np.uintp(lane)
            c0, c1 = costs[position], costs[np.uintp(TRELLIS_CHUNK) + position]
            c2, c3 = (
                costs[np.uintp(2 * TRELLIS_CHUNK) + position],
                costs[np.uintp(3 * TRELLIS_CHUNK) + position],
            )
            f0, g0 = m0 + c0, m1 + c1
            f1, g1 = m2 + c2, m3 + c3
            f2, g2 = m0 + c1, m1 + c0
            f3, g3 = m2 + c3, m3 + c2
            n0, n1 = g0 if g0 < f0 else f0, g1 if g1 < f1 else f1
            n2, n3 = g2 if g2 < f2 else f2, g3 if g3 < f3 else f3
            bits = np.int32(g0 < f0) | np.int32(g1 < f1) << one
            bits |= np.int32(g2 < f2) << np.int32(2) | np.int32(g3 < f3) << np.int32(3)
            metric[lane] = n0 - n0
            metric[TRELLIS_LANES + lane] = n1 - n0
            metric[2 * TRELLIS_LANES + lane] = n2 - n0
            metric[3 * TRELLIS_LANES + lane] = n3 - n0
            metric[_SPARE + lane] = np.float32(bits)
        for lane in range(width):
            decisions[start + lane] = np.uint8(metric[_SPARE + lane])
        if width < lanes:  # lanes without a coordinate in a short row keep their metrics
            for s in range(4):
                metric[s * TRELLIS_LANES + width : (s + 1) * TRELLIS_LANES] = before[
                    s * TRELLIS_LANES + width : (s + 1) * TRELLIS_LANES
                ]


@kernel(_survivors_numpy)
def survivors_of_8(costs, metric, lanes, decisions, predecessors):
    """Advance every lane of 8 states through a chunk; one decision bit per state."""
    one, before = np.int32(1), np.empty(METRIC_SIZE, np.float32)
    for start in range(0, decisions.size, lanes):
        width = min(lanes, decisions.size - start)
        if width < lanes:
            before[:] = metric
        at = np.uintp(start)
        for lane in range(TRELLIS_LANES):
            m0, m1 = metric[lane], metric[TRELLIS_LANES + lane]
            m2, m3 = metric[2 * TRELLIS_LANES + lane], metric[3 * TRELLIS_LANES + lane]
            m4, m5 = metric[4 * TRELLIS_LANES + lane], metric[5 * TRELLIS_LANES + lane]
            m6, m7 = metric[6 * TRELLIS_LANES + lane], metric[7 * TRELLIS_LANES + lane]
            position = at + np.uintp(lane)
            c0, c1 = costs[position], costs[np.uintp(TRELLIS_CHUNK) + position]
            c2, c3 = (
                costs[np.uintp(2 * TRELLIS_CHUNK) + position],
                costs[np.uintp(3 * TRELLIS_CHUNK) + position],
            )
            f0, g0 = m0 + c0, m4 + c1
            f1, g1 = m2 + c0, m6 + c1
            f2, g2 = m0 + c1, m4 + c0
            f3, g3 = m2 + c1, m6 + c0
            f4, g4 = m3 + c3, m5 + c2
            f5, g5 = m1 + c2, m7 + c3
            f6, g6 = m3 + c2, m5 + c3
            f7, g7 = m1 + c3, m7 + c2
            n0, n1 = g0 if g0 < f0 else f0, g1 if g1 < f1 else f1
            n2, n3 = g2 if g2 < f2 else f2, g3 if g3 < f3 else f3
            n4, n5 = g4 if g4 < f4 else f4, g5 if g5 < f5 else f5
            n6, n7 = g6 if g6 < f6 else f6, g7 if g7 < f7 else f7
            bits = np.int32(g0 < f0) | np.int32(g1 < f1) << one
            bits |= np.int32(g2 < f2) << np.int32(2) | np.int32(g3 < f3) << np.int32(3)
            bits |= np.int32(g4 < f4) << np.int32(4) | np.int32(g5 < f5) << np.int32(5)
            bits |= np.int32(g6 < f6) << np.int32(6) | np.int32(g7 < f7) << np.int32(7)
            metric[lane] = n0 - n0
            metric[TRELLIS_LANES + lane] = n1 - n0
            metric[2 * TRELLIS_LANES + lane] = n2 - n0
            metric[3 * TRELLIS_LANES + lane] = n3 - n0
            metric[4 * TRELLIS_LANES + lane] = n4 - n0
            metric[5 * TRELLIS_LANES + lane] = n5 - n0
            metric[6 * TRELLIS_LANES + lane] = n6 - n0
            metric[7 * TRELLIS_LANES + lane] = n7 - n0
            metric[_SPARE + lane] = np.float32(bits)
        for lane in range(width):
            decisions[start + lane] = np.uint8(metric[_SPARE + lane])
        if width < lanes:  # lanes without a coordinate in a short row keep their metrics
            for s in range(8):
                metric[s * TRELLIS_LANES + width : (s + 1) * TRELLIS_LANES] = before[
                    s * TRELLIS_LANES + width : (s + 1) * TRELLIS_LANES
                ]


@kernel(_trace_back_numpy)
def trace_back(ends, predecessors, decisions, choices):
    """Trace each lane back; turn choices into parity + 2 * class + 4 * choice."""
    lanes = ends.size
    states = ends.copy()
    for start in range((decisions.size - 1) // lanes * lanes, -1, -lanes):
        for lane in range(min(lanes, decisions.size - start)):
            i, s = start + lane, states[lane]
            way = predecessors[(decisions[i] >> s) & 1, s]
            states[lane] = way & 7
            lower = (choices[i] >> (way >> 4)) & 1
            choices[i] = np.uint8((way >> 3) | (lower << 2))


@kernel(_write_levels_numpy)
def write_levels(x, inverse, choices, numbers, tally, kept):
    """Write the zigzagged levels and the classes of a chunk; add to the tally and to `kept`."""
    # No branches on the data: they would be mispredicted at every other coordinate.
    half, cap, three = np.float32(0.5), np.int32(LEVEL_CAP), np.int32(3)
    one, two = np.int32(1), np.int32(2)
    for i in range(x.size):
        choice = np.int32(choices[i])
        c = (choice >> one) & one
        below = np.int32((abs(x[i]) * inverse + np.float32(c)) * half)
        direction = one - two * (choice >> two)
        level = below + ((below ^ choice) & one) * direction
        negative = np.int32(x[i] < 0) & np.int32(level > 0)
        numbers[i] = np.uint32(two * level - negative)
    for i in range(x.size):
        choices[i] = (choices[i] >> np.uint8(1)) & np.uint8(1)
    for i in range(x.size):
        c, level = np.int32(choices[i]), np.int32((numbers[i] + np.uint32(1)) >> np.uint32(1))
        scaled = abs(x[i]) * inverse
        point = np.float32(two * level - c * np.int32(level > 0))
        tally[c, min(level, cap)] += 1
        tally[two + c, min(level, three)] += np.int64((scaled - point) * OFFSET_SCALE)
        kept[i % TRELLIS_LANES] += np.float64(point) * (2 * np.float64(scaled) - np.float64(point))
