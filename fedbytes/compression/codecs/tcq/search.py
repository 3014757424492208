"""The trellis of dependent quantisation, and the Viterbi search for the levels of least cost.

Two quantisers alternate: class 0 has the points 2k, class 1 has 0 and ±(2k - 1), in units of the
step. A state machine of 4 or 8 states selects the class of each coordinate from the parities of
the previous levels k. Together the quantisers are as dense as one of one step, at the rate of one
of two steps (Marcellin and Fischer 1990; with zero in both classes, Schwarz et al. 2019, the
dependent quantisation of VVC). The encoder finds the path of least error + rate (Viterbi).

Coordinate i belongs to lane i mod L. Each lane follows its own path from state 0, so that all
lanes of a row advance at once.
"""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt8s, UInt32s
from fedbytes.compression.codecs.tcq.loops.trellis_loops import (
    COST_SIZE,
    LEVEL_CAP,
    METRIC_SIZE,
    SCRATCH_SIZE,
    TRELLIS_CHUNK,
    TRELLIS_LANES,
    branch_costs,
    survivors_of_4,
    survivors_of_8,
    trace_back,
    write_levels,
)
from fedbytes.compression.numerics.kernels import Kernel

_ROWS = 256  # minimum length of a lane if there are several
_FAR = np.float32(1e9)


@dataclass(frozen=True)
class Trellis:
    """The transitions between states; the class of a state is the quantiser of its coordinate.

    Attributes:
        next_states: int64 [states, 2]: the next state after an even and after an odd level.
        classes: int64 [states].
        predecessors: int64 [2, states]: the two transitions into each state, as previous state
            + 8 * parity of the level + 16 * class.
        survivors: the kernel that is unrolled for this trellis.
    """

    next_states: Int64s
    classes: Int64s
    predecessors: Int64s
    survivors: Kernel


def _trellis(next_states: list[tuple[int, int]], classes: list[int], survivors: Kernel) -> Trellis:
    predecessors: list[list[int]] = [[] for _ in next_states]
    for state, after in enumerate(next_states):
        for parity, target in enumerate(after):
            predecessors[target].append(state + 8 * parity + 16 * classes[state])
    pairs = np.ascontiguousarray(np.array(predecessors, np.int64).T)
    return Trellis(np.array(next_states, np.int64), np.array(classes, np.int64), pairs, survivors)


TRELLISES = {
    4: _trellis([(0, 2), (2, 0), (1, 3), (3, 1)], [0, 0, 1, 1], survivors_of_4),
    8: _trellis(
        [(0, 2), (5, 7), (1, 3), (6, 4), (2, 0), (4, 6), (3, 1), (7, 5)],
        [0, 1] * 4,
        survivors_of_8,
    ),
}


def trellis_lanes(count: int) -> int:
    """Return the number of lanes for `count` coordinates: a power of two, at most 32."""
    lanes = 1
    while lanes < TRELLIS_LANES and 2 * lanes * _ROWS <= count:
        lanes *= 2
    return lanes


@dataclass(frozen=True)
class TrellisPath:
    """The levels of a vector.

    Attributes:
        numbers: uint32 [n], the levels zigzagged.
        classes: uint8 [n], the quantiser of each.
        sizes: int64 [2, LEVEL_CAP + 1]: count of levels by class and magnitude; the last is
            LEVEL_CAP and beyond.
        offsets: int64 [2, 4]: sum of |x| / step - |point| by class, over the magnitudes 0, 1, 2,
            and 3 and beyond, in 2^-20.
        kept: sum of (x / step)^2 minus the squared error, in squared steps.
    """

    numbers: UInt32s
    classes: UInt8s
    sizes: Int64s
    offsets: Int64s
    kept: float


def search_path(
    x: Floats, step: float, trellis: Trellis, offsets: Floats, rates: Floats
) -> TrellisPath:
    """Return the levels that minimise squared error + rate.

    Args:
        x: float32 [n > 0], |x| / step below 2^23.
        step: the distance of the points of both classes together.
        trellis: one of TRELLISES.
        offsets: float32 [2, 4]: offsets of the points |k| = 0, 1, 2, 3 and beyond away from zero,
            in steps; 0 for k = 0.
        rates: float32 [2, LEVEL_CAP + 1]: cost of each magnitude in squared steps.
    """
    decisions, choices = np.empty(x.size, np.uint8), np.empty(x.size, np.uint8)
    inverse, lanes = np.float32(1 / step), trellis_lanes(x.size)
    table = _cost_table(offsets, rates)
    scratch, costs = np.empty(SCRATCH_SIZE, np.float32), np.zeros(COST_SIZE, np.float32)
    metric = np.full(METRIC_SIZE, _FAR)
    metric[:TRELLIS_LANES] = 0  # each lane starts in state 0
    chunks = [slice(start, start + TRELLIS_CHUNK) for start in range(0, x.size, TRELLIS_CHUNK)]
    # Forwards: the cost of every branch, then the cheaper of the two ways into each state.
    for part in chunks:
        branch_costs(x[part], inverse, table, scratch, costs, choices[part])
        trellis.survivors(costs, metric, lanes, decisions[part], trellis.predecessors)
    # Backwards from each lane's cheapest last state.
    states = trellis.classes.size
    ends = np.argmin(metric[: states * TRELLIS_LANES].reshape(states, TRELLIS_LANES), axis=0)[
        :lanes
    ]
    trace_back(ends, trellis.predecessors, decisions, choices)
    numbers, kept = np.empty(x.size, np.uint32), np.zeros(TRELLIS_LANES)
    tally = np.zeros((4, LEVEL_CAP + 1), np.int64)
    for part in chunks:
        write_levels(x[part], inverse, choices[part], numbers[part], tally, kept)
    return TrellisPath(numbers, choices, tally[:2], tally[2:, :4], sum(kept.tolist()))


def _cost_table(offsets: Floats, rates: Floats) -> Floats:
    """Return float32 [2, LEVEL_CAP + 2, 8]: by class and level, data of it and its two neighbours.

    The first three are the offsets of the points from 2k - class, for the level, the one above and
    the one below; the next three are their rates. Below zero is the level above it again. The last
    level represents all beyond LEVEL_CAP.
    """
    level = np.arange(LEVEL_CAP + 2)
    near = np.column_stack((level, level + 1, np.where(level > 0, level - 1, 1)))
    near[-1] = LEVEL_CAP
    near = np.minimum(near, LEVEL_CAP)
    table = np.zeros((2, LEVEL_CAP + 2, 8), np.float32)
    table[:, :, :3] = offsets[:, np.minimum(near, 3)]
    table[1, :, :3] += near == 0  # the formula gives -1 for the zero of class 1
    table[:, :, 3:6] = rates[:, near]
    return table
