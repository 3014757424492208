"""The step at which a message of `lora_klt` has a given size."""

import math
from dataclasses import replace

import numpy as np

from fedbytes.compression.codecs.lora_klt.quantiser import ComponentQuantiser, ContextStats, Trial
from fedbytes.compression.numerics.step_rounding import round_step, step_from_log2

_TOLERANCE = 0.003
_LEARNING = 5  # first trials, each of which passes its learned stats to the next
_TRIALS = 10
_OVER = 1.01
_FINEST = 14  # halvings of the largest magnitude; levels stay far below 2^22
_NEAR = 0.01  # share of the size that may stay unused


def quantise_settled(quantiser: ComponentQuantiser, step: float) -> Trial:
    """Quantise with a fixed step, repeatedly, until the stats have settled."""
    stats = ContextStats()
    for _ in range(_LEARNING - 1):
        trial = quantiser.try_step(round_step(step), stats)
        stats = trial.learned
    return trial


def quantise_to_size(quantiser: ComponentQuantiser, size: float) -> Trial:
    """Quantise to about `size` bytes.

    Where sizes jump past the target (many equal values), take the largest below it; if even the
    coarsest step exceeds it, take that step.

    Args:
        quantiser: of a vector that is not all zero.
        size: target in bytes.
    """
    top = math.log2(float(np.abs(quantiser.work).max()))
    numel = quantiser.work.size
    low, high = top - _FINEST, top + 1
    log2_step = 0.5 * math.log2(quantiser.energy / numel) + 1.5 - 8 * size / numel
    stats, slope = ContextStats(), 0.7
    before: tuple[float, float] | None = None
    best: Trial | None = None
    finer: Trial | None = None
    for number in range(_LEARNING + _TRIALS):
        log2_step = log2_step if low < log2_step < high else (low + high) / 2
        trial = quantiser.try_step(step_from_log2(log2_step), stats)
        gap = math.log2(trial.size / max(size, 1.0))
        if number < _LEARNING:
            stats = trial.learned
        else:  # with fixed stats the size falls as the step grows, so a bracket is valid
            best = _better(best, trial, size)
            if abs(gap) < _TOLERANCE or high - low < 1e-3:
                break
            low, high = (log2_step, high) if gap > 0 else (low, log2_step)
            finer = trial if gap > 0 else finer
        if before and abs(before[0] - log2_step) > 1e-3:
            slope = min(max((before[1] - gap) / (log2_step - before[0]), 0.3), 2.5)
        before = log2_step, gap
        log2_step += min(max(gap / slope, -2.0), 2.0)
    assert best is not None
    if finer and abs(best.size / size - 1) > _NEAR:
        best = _better(
            best, _skip_rows(quantiser, _with_learned_offsets(quantiser, finer), size), size
        )
    return _better(best, _with_learned_offsets(quantiser, best), size)


def _with_learned_offsets(quantiser: ComponentQuantiser, trial: Trial) -> Trial:
    """Repeat the trial with the offsets it taught; return the one with less error."""
    stats = replace(trial.stats, levels=trial.learned.levels)
    again = quantiser.try_step(trial.step, stats, trial.skipped)
    return again if again.error < trial.error else trial


def _skip_rows(quantiser: ComponentQuantiser, trial: Trial, size: float) -> Trial:
    """Skip the rows that save the least error per nonzero integer until the trial fits.

    Sizes jump where many coordinates have one magnitude; then only some of them are coded.
    """
    order = sorted(trial.gains, key=lambda name: trial.gains[name][0] / trial.gains[name][1])
    low, high = 0, len(order)
    best = trial
    while low < high:
        middle = (low + high) // 2
        tried = quantiser.try_step(trial.step, trial.stats, frozenset(order[:middle]))
        best = _better(best, tried, size)
        low, high = (middle + 1, high) if tried.size > size else (low, middle)
    return best


def _better(best: Trial | None, trial: Trial, size: float) -> Trial:
    """Return the trial that is nearer to the size without exceeding it by more than 1 %."""
    if best is None:
        return trial
    fits, fitted = trial.size <= size * _OVER, best.size <= size * _OVER
    if fits != fitted:
        return trial if fits else best
    if fits and min(trial.size, best.size) > size * (1 - _NEAR):
        return trial if trial.error < best.error else best
    return trial if (trial.size > best.size) == fits else best
