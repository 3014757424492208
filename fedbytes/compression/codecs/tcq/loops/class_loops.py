"""Levels split by class, and merged again along the trellis."""

import numpy as np

from fedbytes.arrays import Floats, Int64s, UInt8s, UInt32s
from fedbytes.compression.numerics.kernels import kernel


def _split_classes_numpy(numbers: UInt32s, classes: UInt8s, first: int, tokens: UInt8s) -> None:
    tokens[:first] = np.minimum(numbers[classes == 0], 255)
    tokens[first:] = np.minimum(numbers[classes == 1], 255)


def _merge_classes_numpy(
    tokens0: UInt8s,
    tokens1: UInt8s,
    large0: Floats,
    large1: Floats,
    odd0: UInt8s,
    odd1: UInt8s,
    plain: Floats,
    parity: UInt8s,
    limits: Int64s,
    next_states: Int64s,
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
        now[:] = next_states[now, parities]
    return True


@kernel(_split_classes_numpy)
def split_classes(numbers, classes, first, tokens):
    """Write the tokens of class 0, then those of class 1 from `first` on."""
    # The classes alternate at random: a branch would be mispredicted at every other number.
    at0, at1 = np.int64(0), np.int64(first)
    for i in range(numbers.size):
        c = np.int64(classes[i])
        tokens[at1 if c else at0] = np.uint8(min(numbers[i], np.uint32(255)))
        at0 += 1 - c
        at1 += c


@kernel(_merge_classes_numpy)
def merge_classes(
    tokens0,
    tokens1,
    large0,
    large1,
    odd0,
    odd1,
    plain,
    parity,
    limits,
    next_states,
    classes,
    states,
    y,
):
    """Write the values along the trellis; return whether every level was there."""
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
            states[lane] = next_states[state, bit]
    return True
