"""The encoder's part of `lora_klt`: components and rows quantised with one step for everything."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import CHUNK, Doubles, Floats, Int32s, UInt8s
from fedbytes.compression.codecs.lora_klt import context_models
from fedbytes.compression.codecs.lora_klt.format import (
    COLUMN_PART,
    LOWEST,
    OFFSET_STEPS,
    ROW_PART,
    SKIPPED,
    ComponentMatrix,
    Energies,
    LevelOffsets,
    component_matrices,
    context_of,
    has_offsets,
    no_offsets,
    row_class,
    row_code,
    row_kind,
)
from fedbytes.compression.codecs.lora_klt.loops.component_loops import add_components
from fedbytes.compression.codecs.lora_klt.matrices import MatrixPlan, exact_gram, round_to_integers
from fedbytes.compression.codecs.lora_klt.rank_one_components import (
    binary_exponent,
    leading_components,
    row_step,
)
from fedbytes.compression.codecs.lora_klt.rounding import mean_offsets, round_run
from fedbytes.compression.numerics.squared_norm import squared_norm

_LEAST_ENERGY = 0.25  # squared steps a coordinate of y from which on a component pays for itself
_FIRST_THRESHOLD = 0.65  # where the first threshold lies until the price of a level is known
_ERROR_PER_BIT = 0.13  # squared steps that a bit is rate_cost
_THRESHOLD_RANGE = (0.5, 1.2)
_CONTEXTS = 64
_BITS = 17


@dataclass(frozen=True)
class ContextStats:
    """What is learned of each context from one quantisation for the next: levels and thresholds."""

    levels: LevelOffsets = field(default_factory=no_offsets)
    thresholds: Doubles = field(default_factory=lambda: np.full(_CONTEXTS, _FIRST_THRESHOLD))


@dataclass(frozen=True)
class Trial:
    """A working vector quantised with one step.

    Attributes:
        step: the step.
        stats: the levels and thresholds that were used.
        energies: of components and rows.
        error: the sum of squared errors.
        size: about how many bytes it takes.
        learned: stats for the next trial at about this step.
        skipped: (plane, row) that were left out.
        gains: for each (plane, row) that is not skipped, the squared error that it saves and how
            many of its integers are not 0.
    """

    step: float
    stats: ContextStats
    energies: Energies
    error: float
    size: float
    learned: ContextStats
    skipped: frozenset[tuple[int, int]]
    gains: dict[tuple[int, int], tuple[float, int]]

    @property
    def rate_cost(self) -> float:
        """What its bytes are rate_cost as squared error."""
        return _ERROR_PER_BIT * self.step**2 * 8 * self.size


class ComponentQuantiser:
    """Quantises one working vector again and again, until the step suits."""

    def __init__(self, shape: MatrixPlan, work: Floats) -> None:
        self.shape, self.work = shape, work
        self.groups = component_matrices(shape)
        self.energy = squared_norm(work)
        inside = sum(rows * columns for _, rows, columns in shape.stacks)
        first = len(shape.stacks)  # groups before are stacks; the A in them change with the step
        self._found = {
            place: leading_components(group.within(work))
            for place, group in enumerate(self.groups)
            if place < first or group.start >= inside
        }

    def try_step(
        self, step: float, stats: ContextStats, skipped: frozenset[tuple[int, int]] = frozenset()
    ) -> Trial:
        """Return the vector quantised with a step; `skipped` are (plane, row) to leave out."""
        return self._run(step, stats, skipped)[1]

    def pack(self, trial: Trial) -> bytes:
        """Return a trial's energies, levels and integers as bytes."""
        run, _ = self._run(trial.step, trial.stats, trial.skipped)
        energies = trial.energies.pack(self.shape)
        levels = trial.stats.levels.pack(run.used)
        places = trial.energies.contexts(self.shape)
        q = np.concatenate([*run.parts, np.empty(0, np.int8)])
        run.parts.clear()
        return b"".join((energies, levels, context_models.pack_in_contexts(q, places, run.used)))

    def _run(
        self, step: float, stats: ContextStats, skipped: frozenset[tuple[int, int]]
    ) -> tuple["_Pass", Trial]:
        run = _Pass(step, stats, skipped)
        rest = self.work.copy()
        components = []
        for place, group in enumerate(self.groups):
            matrix = group.within(rest)
            found = self._found.get(place) or leading_components(matrix)
            components.append(run.components(group, matrix, *found))
        rows = [
            run.rows(number, plane.within(rest), row_kind(plane))
            for number, plane in enumerate(self.shape.matrices)
        ]
        energies = Energies(components, rows)
        return run, run.finish(self.shape, energies)


class _Pass:
    """One pass over everything, with the integers and what is learned from them."""

    def __init__(
        self, step: float, stats: ContextStats, skipped: frozenset[tuple[int, int]]
    ) -> None:
        self.step, self.stats, self.skipped = step, stats, skipped
        self.gains: dict[tuple[int, int], tuple[float, int]] = {}
        self.parts: list[npt.NDArray[Any]] = []
        self.counts = np.zeros((_CONTEXTS, context_models.MAX_TOKEN + 1), np.int64)
        self.error = 0.0
        self.sums = np.zeros((_CONTEXTS, 2, 2), np.int64)  # by context, as `round_run` adds

    def components(
        self, group: ComponentMatrix, matrix: Floats, vectors: Doubles, energies: Doubles
    ) -> list[int]:
        """Take the components that pay out of the matrix, and return their codes."""
        columns = group.columns
        ratios = energies / columns / self.step**2
        count = int(np.count_nonzero(ratios >= _LEAST_ENERGY))
        codes = [binary_exponent(float(ratio)) for ratio in ratios[:count]]
        if not codes:
            return []
        steps = np.array([row_step(code, columns) for code in codes])
        u = np.rint(vectors[:, :count].T / steps[:, None])
        kept = u.any(axis=1)
        u, steps = u[kept], steps[kept]
        codes = [code for code, keep in zip(codes, kept.tolist(), strict=True) if keep]
        whole, exponent = round_to_integers(matrix, _BITS)
        inner = exact_gram(u) * steps[:, None] * steps
        products = np.ldexp(u @ whole, -exponent) * steps[:, None]
        y = np.empty((len(codes), columns), np.float32)
        for j, code in enumerate(codes):
            for i in range(j):  # what the earlier ones took is not there any more
                products[j] -= inner[j, i] * y[i].astype(np.float64)
            self._keep(u[j].astype(np.int32), context_of(ROW_PART, row_code(code, group)))
            fitted = (products[j] / inner[j, j]).astype(np.float32)
            y[j] = self._quantise(fitted, context_of(COLUMN_PART, code))[0]
        add_components(np.ascontiguousarray((u * steps[:, None]).T.astype(np.float32)), -y, matrix)
        return codes

    def rows(self, number: int, matrix: Floats, kind: int) -> list[int]:
        """Quantise the rows of a plane, and return their classes."""
        energies = _row_energies(matrix)
        peaks = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
        return [
            self._row((number, i), matrix[i], float(energies[i]), float(peaks[i]), kind)
            for i in range(matrix.shape[0])
        ]

    def _row(
        self, name: tuple[int, int], row: Floats, energy: float, peak: float, kind: int
    ) -> int:
        code = binary_exponent(energy / row.size / self.step**2) if energy else LOWEST
        place = context_of(kind, code)
        quiet = peak < self.stats.thresholds[place] * self.step
        if quiet or name in self.skipped:
            self.error += energy
            return SKIPPED
        decoded, error = self._quantise(row, place)
        nonzero = int(np.count_nonzero(decoded))
        self.error += error
        self.gains[name] = energy - error, nonzero
        return row_class(code)

    def _quantise(self, x: Floats, place: int) -> tuple[Floats, float]:
        """Keep the integers of x; return what they are decoded to, and the squared error."""
        offsets = self.stats.levels.offsets[place] / OFFSET_STEPS
        first = self.stats.thresholds[place]
        q, decoded, error = round_run(x, self.step, first, offsets, self.sums[place])
        self._keep(q, place)
        return decoded, error

    def _keep(self, q: Int32s, place: int) -> None:
        top = context_models.count_magnitudes(q, self.counts[place])
        self.parts.append(q.astype(np.int8 if top < 128 else np.int16 if top < 32768 else np.int32))

    @property
    def used(self) -> UInt8s:
        """The contexts that occur, rising."""
        return np.flatnonzero(self.counts.any(axis=1)).astype(np.uint8)

    def finish(self, shape: MatrixPlan, energies: Energies) -> Trial:
        """Return the trial with its size and what was learned."""
        used = self.used
        counts = self.counts[used]
        tables = context_models.fit_tables(used, counts)
        size = len(energies.pack(shape)) + len(self.stats.levels.pack(used))
        return Trial(
            step=self.step,
            stats=self.stats,
            energies=energies,
            error=self.error,
            size=size + context_models.estimate_context_bytes(tables, counts),
            learned=self._learn(used, tables),
            skipped=self.skipped,
            gains=self.gains,
        )

    def _learn(self, used: UInt8s, tables: context_models.Tables) -> ContextStats:
        means = mean_offsets(self.sums) * OFFSET_STEPS
        half = OFFSET_STEPS // 2
        offsets = np.clip(np.rint(means), -half, half - 1).astype(np.int64)
        thresholds = self.stats.thresholds.copy()
        for place, row in zip(used.tolist(), tables.freqs, strict=True):
            if has_offsets(place) and np.count_nonzero(row) > 2:
                zero, one_more = context_models.symbol_bits(row[[0, 2]]).tolist()
                price = (one_more - zero) / 256
                one = 1.0 + offsets[place, 0] / OFFSET_STEPS
                thresholds[place] = np.clip(
                    (one * one + _ERROR_PER_BIT * price) / (2 * one), *_THRESHOLD_RANGE
                )
        return replace(self.stats, levels=LevelOffsets(offsets), thresholds=thresholds)


def _row_energies(matrix: Floats) -> Doubles:
    """Return the sum of squares of each row; sums of integers, so the same in any order."""
    energies = np.empty(matrix.shape[0])
    rows = max(CHUNK // matrix.shape[1], 1)
    for start in range(0, energies.size, rows):
        whole, exponent = round_to_integers(matrix[start : start + rows], _BITS)
        whole *= whole
        energies[start : start + rows] = np.ldexp(whole.sum(axis=1), -2 * exponent)
    return energies
