"""Trellis-coded quantisation at a step or rate: offsets, costs and step come from a sample."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats, Int8s, Int64s
from fedbytes.compression.codecs.tcq.coding import (
    CodedLevels,
    code_path,
    offsets_in_steps,
    path_offsets,
)
from fedbytes.compression.codecs.tcq.loops.trellis_loops import LEVEL_CAP
from fedbytes.compression.codecs.tcq.search import Trellis, TrellisPath, search_path
from fedbytes.compression.coding.integers import DIRECT_BITS, token_ranges
from fedbytes.compression.numerics.root_finding import Correction, correct_step, solve_rate
from fedbytes.compression.numerics.step_rounding import round_step, step_from_log2
from fedbytes.compression.quantisers.level_tokens import MAX_LEVEL

_SAMPLE = 1 << 15
_NEAR = 0.005  # relative tolerance of the rate of the whole vector
_PASSES = 10  # over the sample, until costs and offsets settle
_SLOPE = 1.5  # bits that doubling the step saves at most, until then
_OCTAVES = 26  # from the finest step to one that rounds all to zero
_TRIES, _SLOPES = 4, (0.2, 4.0)  # of the correction on the whole vector
_LOW_SHARE = 0.5  # share of the rate that the levels of a short vector get at least
_LAMBDA = 0.28  # squared steps per bit: the Lagrangian of rate against error
_MANY = 1 / 128  # share of levels from the cap on that makes their raw bits count


@dataclass(frozen=True)
class TrellisMatch:
    """A vector quantised by the trellis.

    Attributes:
        step: distance of the points of both quantisers together.
        kept: sum of (x / step)^2 minus the squared error, in squared steps; a lower bound.
        offsets: int8 [2, 3], see `path_offsets`.
        coded: the levels by class.
    """

    step: float
    kept: float
    offsets: Int8s
    coded: CodedLevels


@dataclass(frozen=True)
class _Model:
    """Parameters of the search: offsets (float32 [2, 4]) and costs (float32 [2, LEVEL_CAP + 1])."""

    offsets: Floats
    rates: Floats


def quantise_at_step(x: Floats, step: float, trellis: Trellis) -> TrellisMatch:
    """Quantise x [n > 0] with a given step.

    Args:
        x: float32 [n], of moderate magnitude.
        step: distance of the points of both quantisers together.
        trellis: one of `TRELLISES`.
    """
    step = max(round_step(step), _least_step(x))
    picked, model = _sample(x), _first_model(x, step)
    for _ in range(_PASSES // 2):  # the step is fixed, so half the passes suffice
        model = _learn_model(_search(picked, step, model, trellis))
    return _match(_search(x, step, model, trellis), step)


def quantise_at_least_error(x: Floats, step: float, trellis: Trellis) -> TrellisMatch:
    """Quantise x [n > 0] with a given step at the least error, whatever the rate."""
    step = max(round_step(step), _least_step(x))
    free = np.zeros((2, LEVEL_CAP + 1), np.float32)
    return _match(_search(x, step, _Model(np.zeros((2, 4), np.float32), free), trellis), step)


def quantise_trellis_at_rate(
    x: Floats, bits: float, rms: float, overhead: int, trellis: Trellis
) -> TrellisMatch:
    """Quantise x [n > 0] at about `bits` per coordinate.

    Args:
        x: float32 [n], not all zero, of moderate magnitude.
        bits: the target rate, all bytes of the payload included.
        rms: root mean square of x.
        overhead: bytes of the payload besides the coded levels.
        trellis: one of `TRELLISES`.
    """
    budget = max(bits - 8 * overhead / x.size, bits * _LOW_SHARE)
    picked, low = _sample(x), math.log2(_least_step(x))
    log2_step = max(math.log2(rms) + 1.2 - bits, low)
    model = _first_model(picked, step_from_log2(log2_step))
    # Learn costs and step together, then only refine; solve with the costs fixed.
    for passes, slope in ((_PASSES, _SLOPE), (2, math.inf)):
        for _ in range(passes):
            path = _search(picked, step_from_log2(log2_step), model, trellis)
            model = _learn_model(path)
            log2_step = max(log2_step + max(-2.0, min((_rate(path) - budget) / slope, 2.0)), low)
        found = solve_rate(_rate_at(picked, model, trellis), budget, log2_step, low, low + _OCTAVES)
        log2_step = found.log2_step

    def quantised(log2_step: float) -> tuple[TrellisMatch, float]:
        step = step_from_log2(log2_step)
        match = _match(_search(x, step, model, trellis), step)
        return match, 8 * (match.coded.size() + overhead) / x.size

    tolerance = math.inf if x.size <= _SAMPLE else _NEAR
    rule = Correction((low, low + _OCTAVES), tolerance, _TRIES, _SLOPES)
    return correct_step(quantised, bits, replace(found, slope=max(found.slope, _SLOPE / 2)), rule)


def _rate_at(x: Floats, model: _Model, trellis: Trellis) -> Callable[[float], float]:
    """Return the rate of x as a function of log2_step, for fixed costs."""
    return lambda log2_step: _rate(_search(x, step_from_log2(log2_step), model, trellis))


def _search(x: Floats, step: float, model: _Model, trellis: Trellis) -> TrellisPath:
    return search_path(x, step, trellis, model.offsets, model.rates)


def _match(path: TrellisPath, step: float) -> TrellisMatch:
    return TrellisMatch(step, path.kept, path_offsets(path), code_path(path))


def _sample(x: Floats) -> Floats:
    stride = max(1, x.size // _SAMPLE) | 1  # odd: does not sample single columns of a matrix
    return np.ascontiguousarray(x[::stride])


def _least_step(x: Floats) -> float:
    """Return the smallest step whose levels are below `MAX_LEVEL`."""
    return round_step(max(float(x.max()), -float(x.min())) * 2 / MAX_LEVEL)


def _first_model(x: Floats, step: float) -> _Model:
    """Return zero offsets, and the costs of a two-sided geometric distribution."""
    mean = max(float(np.abs(x[:: max(1, x.size // 4096)]).mean()) / (2 * step), 0.05)
    bits = _round_bits(np.log2(1 + mean) + np.arange(LEVEL_CAP + 1) * np.log2(1 + 1 / mean))
    bits[1:] += 1
    return _Model(np.zeros((2, 4), np.float32), _rate_costs(np.array([bits, bits])))


def _learn_model(path: TrellisPath) -> _Model:
    """Return offsets to the cells' means, and costs from the frequencies of the levels."""
    counts = np.maximum(path.sizes, 0.3)
    bits = np.log2(counts.sum(axis=1, keepdims=True)) - np.log2(counts)
    bits[:, LEVEL_CAP] += _bits_beyond_cap(path) / counts[:, LEVEL_CAP].sum()
    bits = _round_bits(bits)
    bits[:, 1:] += 1  # the sign
    return _Model(offsets_in_steps(path_offsets(path)), _rate_costs(bits))


def _round_bits(bits: npt.NDArray[Any]) -> Doubles:
    """Round to 1/256 bit, which is the same on every platform."""
    whole: Doubles = np.rint(256 * bits)
    return whole / 256


def _rate_costs(bits: Doubles) -> Floats:
    return np.ascontiguousarray(_LAMBDA * bits, np.float32)


def _rate(path: TrellisPath) -> float:
    """Return the entropy of the levels given their classes, in bits per coordinate."""
    return (_entropy(path.sizes) + _bits_beyond_cap(path)) / path.numbers.size


def _bits_beyond_cap(path: TrellisPath) -> float:
    """Return the bits that distinguish levels from the cap on, if there are many."""
    if path.sizes[:, LEVEL_CAP].sum() <= _MANY * path.numbers.size:
        return 0.0
    bits = 0.0
    for stream in code_path(path).streams:
        counts = stream.counts[2 * LEVEL_CAP - 1 :].astype(np.float64)  # of both signs, zigzagged
        raw = token_ranges(DIRECT_BITS)[1][2 * LEVEL_CAP - 1 : stream.counts.size]
        shares = np.maximum(counts, 1) / max(counts.sum(), 1.0)
        bits += float((counts * (raw - np.log2(shares))).sum()) - float(counts.sum())
    return bits


def _entropy(sizes: Int64s) -> float:
    counts = sizes.astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    signs = counts[:, 1:].sum()
    logs = np.log2(np.maximum(counts, 1)) - np.log2(np.maximum(totals, 1))
    return float(signs - (counts * logs).sum())
