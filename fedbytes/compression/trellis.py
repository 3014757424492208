"""The trellis of dependent quantisation, and the search for the levels of least cost.

Two quantisers take turns: class 0 has the points 2k, class 1 has 0 and ±(2k - 1), in units of the
step; which one a coordinate gets follows from the parities of the levels k before it, through a
machine of 4 or 8 states. Together they are as dense as a quantiser of one step, at the rate of
one of two steps (Marcellin and Fischer 1990; with zero in both classes, Schwarz et al. 2019, the
dependent quantisation of VVC). The encoder looks for the path of least error + rate (Viterbi).

Coordinate i belongs to lane i mod L. Every lane has a path of its own from state 0, so that all
lanes of a row move at once. The loops and their numpy twins do the same float32 operations in
the same order and give the same levels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .core import Floats
from .kernels import kernel

CAP = 63  # levels beyond share its rate and its shift
MAX_LANES = 32
_ROWS = 256  # a lane is at least this long where there is more than one
_FAR = np.float32(1e9)
_FIXED = np.float32(1 << 20)

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Machine:
    """How states follow each other; a state's class is the quantiser of its coordinate.

    Attributes:
        follow: int64 [states, 2]: the next state after an even and after an odd level.
        classes: int64 [states].
        came: int64 [2, states]: the two states that lead to a state.
        branch: int64 [2, states]: 2 * class + parity on the way from them.
    """

    follow: Ints
    classes: Ints
    came: Ints
    branch: Ints


def _machine(follow: list[tuple[int, int]], classes: list[int]) -> Machine:
    ways: list[list[tuple[int, int]]] = [[] for _ in follow]
    for state, after in enumerate(follow):
        for parity, target in enumerate(after):
            ways[target].append((state, 2 * classes[state] + parity))
    pairs = np.array(ways, np.int64)
    return Machine(
        np.array(follow, np.int64),
        np.array(classes, np.int64),
        np.ascontiguousarray(pairs[:, :, 0].T),
        np.ascontiguousarray(pairs[:, :, 1].T),
    )


MACHINES = {
    4: _machine([(0, 2), (2, 0), (1, 3), (3, 1)], [0, 0, 1, 1]),
    8: _machine([(0, 2), (5, 7), (1, 3), (6, 4), (2, 0), (4, 6), (3, 1), (7, 5)], [0, 1] * 4),
}


def lanes_for(count: int) -> int:
    """Return how many lanes a vector of `count` has: a power of two, at most 32."""
    lanes = 1
    while lanes < MAX_LANES and 2 * lanes * _ROWS <= count:
        lanes *= 2
    return lanes


@dataclass(frozen=True)
class Path:
    """The levels of a vector.

    Attributes:
        numbers: uint32 [n], the levels zigzagged.
        classes: uint8 [n], the quantiser of each.
        sizes: int64 [2, CAP + 1]: how many levels of each class have each magnitude, the last
            is CAP and beyond.
        offsets: int64 [2, 4]: the sum of |x| / step - |point| over the magnitudes 0, 1, 2, and 3
            and beyond, in 2^-20.
        kept: how much of the sum of (x / step)^2 is gone from the error.
    """

    numbers: Numbers
    classes: Bytes
    sizes: Ints
    offsets: Ints
    kept: float


def search(x: Floats, step: float, machine: Machine, moves: Floats, rates: Floats) -> Path:
    """Return the levels that minimise squared error + rate.

    Args:
        x: float32 [n > 0], |x| / step below 2^23.
        step: the distance of the points of both classes together.
        machine: one of MACHINES.
        moves: float32 [2, 4]: how far, in steps, the points of |k| = 0, 1, 2, 3 and beyond lie
            away from zero; 0 for 0.
        rates: float32 [2, CAP + 1]: the cost of a magnitude in squared steps.
    """
    lanes, inverse = lanes_for(x.size), np.float32(1 / step)
    moves = moves[:, np.minimum(np.arange(CAP + 1), 3)].astype(np.float32)
    moves[1, 0] += 1  # the formula of class 1's points, 2k - 1, gives -1 for zero
    decisions, choices = np.empty(x.size, np.uint8), np.empty(x.size, np.uint8)
    ends = np.zeros(lanes, np.int64)
    came, branch = machine.came, machine.branch
    _forward(x, inverse, moves, rates, came, branch, decisions, choices, ends)
    numbers = np.empty(x.size, np.uint32)
    sizes, offsets = np.zeros((2, CAP + 1), np.int64), np.zeros((2, 4), np.int64)
    kept = np.zeros(lanes)
    way = came | branch << 3
    _back(x, inverse, way, ends, decisions, choices, numbers, sizes, offsets, kept)
    return Path(numbers, choices, sizes, offsets, sum(kept.tolist()))


def _forward_numpy(
    x: Floats,
    inverse: Any,
    moves: Floats,
    rates: Floats,
    came: Ints,
    branch: Ints,
    decisions: Bytes,
    choices: Bytes,
    ends: Ints,
) -> None:
    lanes, states = ends.size, came.shape[1]
    metric = np.full((states, lanes), _FAR)
    metric[0] = 0
    costs = np.empty((4, lanes), np.float32)
    weights = (1 << np.arange(states)).astype(np.int64)
    for start in range(0, x.size, lanes):
        scaled = np.abs(x[start : start + lanes]) * inverse
        width = scaled.size
        choices[start : start + lanes] = 0
        for c in range(2):
            below = ((scaled + np.float32(c)) * np.float32(0.5)).astype(np.int32)
            down = np.where(below > 0, below - 1, 1)
            exact, upper, lower = (
                _cost(scaled, level, c, moves, rates) for level in (below, below + 1, down)
            )
            other, odd = np.where(lower < upper, lower, upper), below & 1 == 1
            costs[2 * c, :width] = np.where(odd, other, exact)
            costs[2 * c + 1, :width] = np.where(odd, exact, other)
            choices[start : start + lanes] |= (lower < upper).astype(np.uint8) << np.uint8(c)
        now = metric[:, :width]
        first, second = (now[came[way]] + costs[branch[way], :width] for way in range(2))
        less = second < first
        decisions[start : start + lanes] = weights @ less
        best = np.where(less, second, first)
        metric[:, :width] = best - best[0]
    ends[:] = np.argmin(metric, axis=0)


def _cost(scaled: Floats, level: Any, c: int, moves: Floats, rates: Floats) -> Any:
    entry = np.minimum(level, CAP)
    error = scaled - ((2 * level - c).astype(np.float32) + moves[c, entry])
    return error * error + rates[c, entry]


def _back_numpy(
    x: Floats,
    inverse: Any,
    ways: Ints,
    ends: Ints,
    decisions: Bytes,
    choices: Bytes,
    numbers: Numbers,
    sizes: Ints,
    offsets: Ints,
    kept: npt.NDArray[np.float64],
) -> None:
    lanes, states = ends.size, ends.copy()
    for start in range((x.size - 1) // lanes * lanes, -1, -lanes):
        part = x[start : start + lanes]
        width = part.size
        second = decisions[start : start + lanes] >> states[:width].astype(np.uint8) & 1
        way = ways[second, states[:width]]
        states[:width] = way & 7
        c, parity = way >> 4, way >> 3 & 1
        scaled = np.abs(part) * inverse
        below = ((scaled + c.astype(np.float32)) * np.float32(0.5)).astype(np.int64)
        lower = choices[start : start + lanes] >> c.astype(np.uint8) & 1
        level = below + ((below ^ parity) & 1) * (1 - 2 * lower.astype(np.int64))
        some = level > 0
        numbers[start : start + lanes] = 2 * level - (some & (part < 0))
        choices[start : start + lanes] = c
        point = (2 * level - c * some).astype(np.float32)
        np.add.at(sizes, (c, np.minimum(level, CAP)), 1)
        moved = ((scaled - point) * _FIXED).astype(np.int64)
        np.add.at(offsets, (c, np.minimum(level, 3)), moved)
        wide = point.astype(np.float64)
        kept[:width] += wide * (2 * scaled.astype(np.float64) - wide)


@kernel(_forward_numpy)
def _forward(x, inverse, moves, rates, came, branch, decisions, choices, ends):  # type: ignore[no-untyped-def]
    lanes, states = ends.size, came.shape[1]
    one, half, top = np.int32(1), np.float32(0.5), np.int32(CAP)
    metric = np.full((states, MAX_LANES), _FAR)
    metric[0] = 0
    after = metric.copy()
    costs = np.empty((4, MAX_LANES), np.float32)
    picked = np.empty(MAX_LANES, np.int32)
    for start in range(0, x.size, lanes):
        part = x[start : start + lanes]
        width = part.size
        picked[:] = 0
        for c in range(2):
            shift, minus = np.float32(c), np.int32(c)
            even, odd = costs[2 * c], costs[2 * c + 1]
            move, rate = moves[c], rates[c]
            for lane in range(width):
                scaled = abs(part[lane]) * inverse
                below = np.int32((scaled + shift) * half)
                up = np.int32(below + one)
                down = np.int32(below - one) if below > 0 else one
                e0, e1, e2 = (
                    np.uintp(min(below, top)),
                    np.uintp(min(up, top)),
                    np.uintp(min(down, top)),
                )
                error = scaled - (np.float32(np.int32(2 * below) - minus) + move[e0])
                exact = error * error + rate[e0]
                error = scaled - (np.float32(np.int32(2 * up) - minus) + move[e1])
                upper = error * error + rate[e1]
                error = scaled - (np.float32(np.int32(2 * down) - minus) + move[e2])
                lower = error * error + rate[e2]
                other = lower if lower < upper else upper
                is_odd = (below & one) == one
                even[lane] = other if is_odd else exact
                odd[lane] = exact if is_odd else other
                picked[lane] |= np.int32(lower < upper) << minus
        for lane in range(width):
            choices[start + lane] = np.uint8(picked[lane])
        picked[:] = 0
        for s in range(states):
            m0, m1 = metric[came[0, s]], metric[came[1, s]]
            c0, c1 = costs[branch[0, s]], costs[branch[1, s]]
            best, place = after[s], np.int32(s)
            for lane in range(width):
                first, second = m0[lane] + c0[lane], m1[lane] + c1[lane]
                best[lane] = second if second < first else first
                picked[lane] |= np.int32(second < first) << place
        for lane in range(width):
            decisions[start + lane] = np.uint8(picked[lane])
        for s in range(states - 1, -1, -1):
            for lane in range(width):
                metric[s, lane] = after[s, lane] - after[0, lane]
    for lane in range(lanes):
        ends[lane] = np.argmin(metric[:, lane])


@kernel(_back_numpy)
def _back(x, inverse, ways, ends, decisions, choices, numbers, sizes, offsets, kept):  # type: ignore[no-untyped-def]
    # No branches on the data: they would be mispredicted at every other coordinate.
    lanes = ends.size
    states = ends.copy()
    half, three, cap = np.float32(0.5), np.int64(3), np.int64(CAP)
    for start in range((x.size - 1) // lanes * lanes, -1, -lanes):
        for lane in range(min(lanes, x.size - start)):
            i, s = start + lane, states[lane]
            way = ways[(decisions[i] >> s) & 1, s]
            states[lane] = way & 7
            c = way >> 4
            scaled = abs(x[i]) * inverse
            below = np.int64((scaled + np.float32(c)) * half)
            lower = np.int64(choices[i] >> c) & 1
            level = below + ((below ^ (way >> 3)) & 1) * (1 - 2 * lower)
            some = np.int64(level > 0)
            numbers[i] = np.uint32(2 * level - (some & np.int64(x[i] < 0)))
            choices[i] = np.uint8(c)
            point = np.float32(2 * level - c * some)
            sizes[c, min(level, cap)] += 1
            offsets[c, min(level, three)] += np.int64((scaled - point) * _FIXED)
            kept[lane] += np.float64(point) * (2 * np.float64(scaled) - np.float64(point))
