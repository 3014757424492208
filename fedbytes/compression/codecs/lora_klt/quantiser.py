"""The encoder of `lora_klt`: components and rows, all quantised with one step."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import CHUNK, Doubles, Floats, Int32s, UInt8s
from fedbytes.compression.codecs.lora_klt import context_models
from fedbytes.compression.codecs.lora_klt.format import (
    COLUMN_PART,
    LOWEST,
    OFFSETS_PER_STEP,
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
from fedbytes.compression.coding.frequency_tables import symbol_bits
from fedbytes.compression.numerics.squared_norm import squared_norm

_LEAST_ENERGY = 0.25  # mean square of y, in squared steps, from which a component pays off
_FIRST_THRESHOLD = 0.65  # of |q| = 1, until the rate of a level is known
_ERROR_PER_BIT = 0.13  # squared steps per bit: the Lagrangian of rate against error
_THRESHOLD_RANGE = (0.5, 1.2)
_CONTEXTS = 64
_BITS = 17


@dataclass(frozen=True)
class ContextStats:
    """Levels' offsets and zero thresholds of each context, learned by one trial for the next."""

    levels: LevelOffsets = field(default_factory=no_offsets)
    thresholds: Doubles = field(default_factory=lambda: np.full(_CONTEXTS, _FIRST_THRESHOLD))


@dataclass(frozen=True)
class Trial:
    """A working vector quantised with one step.

    Attributes:
        step: the step.
        stats: offsets and thresholds that were used.
        energies: of components and rows.
        error: sum of squared errors.
        size: estimated bytes.
        learned: stats for the next trial at about this step.
        skipped: (view, row) that were left out.
        gains: for each coded (view, row), the squared error that it saves and the number of its
            nonzero integers.
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
        """Rate term of the rate-distortion cost."""
        return _ERROR_PER_BIT * self.step**2 * 8 * self.size


class ComponentQuantiser:
    """Quantises one working vector in repeated trials."""

    def __init__(self, plan: MatrixPlan, work: Floats) -> None:
        self.plan, self.work = plan, work
        self.groups = component_matrices(plan)
        self.energy = squared_norm(work)
        inside = sum(rows * columns for _, rows, columns in plan.stacks)
        first = len(plan.stacks)  # the A inside stacks change with the step, so they wait
        self._found = {
            index: leading_components(group.within(work))
            for index, group in enumerate(self.groups)
            if index < first or group.start >= inside
        }

    def try_step(
        self, step: float, stats: ContextStats, skipped: frozenset[tuple[int, int]] = frozenset()
    ) -> Trial:
        """Quantise the vector with a step, without the (view, row) in `skipped`."""
        return self._run(step, stats, skipped)[1]

    def pack(self, trial: Trial) -> bytes:
        """Return energies, offsets and integers of a trial as bytes."""
        # Trials keep no integers, so the chosen one runs again.
        run, _ = self._run(trial.step, trial.stats, trial.skipped)
        energies = trial.energies.pack(self.plan)
        levels = trial.stats.levels.pack(run.used)
        contexts = trial.energies.contexts(self.plan)
        q = np.concatenate([*run.parts, np.empty(0, np.int8)])
        run.parts.clear()
        return b"".join((energies, levels, context_models.pack_in_contexts(q, contexts, run.used)))

    def _run(
        self, step: float, stats: ContextStats, skipped: frozenset[tuple[int, int]]
    ) -> tuple["_Pass", Trial]:
        run = _Pass(step, stats, skipped)
        rest = self.work.copy()
        components = []
        for index, group in enumerate(self.groups):
            matrix = group.within(rest)
            found = self._found.get(index) or leading_components(matrix)
            components.append(run.components(group, matrix, *found))
        rows = [
            run.rows(number, view.within(rest), row_kind(view))
            for number, view in enumerate(self.plan.views)
        ]
        energies = Energies(components, rows)
        return run, run.finish(self.plan, energies)


class _Pass:
    """One pass over all groups and rows: the integers, and the statistics of their contexts."""

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
        """Subtract the components that pay off from the matrix, and return their codes."""
        # 1. Keep components whose y has enough energy; its exponent gives the step of u.
        columns = group.columns
        ratios = energies / columns / self.step**2
        count = int(np.count_nonzero(ratios >= _LEAST_ENERGY))
        codes = [binary_exponent(float(ratio)) for ratio in ratios[:count]]
        if not codes:
            return []
        steps = np.array([row_step(code, columns) for code in codes])
        # 2. Round u; a component whose u vanishes is dropped.
        u = np.rint(vectors[:, :count].T / steps[:, None])
        kept = u.any(axis=1)
        u, steps = u[kept], steps[kept]
        codes = [code for code, keep in zip(codes, kept.tolist(), strict=True) if keep]
        # 3. Fit each y to the rounded u, without the part that earlier components explain.
        whole, exponent = round_to_integers(matrix, _BITS)
        inner = exact_gram(u) * steps[:, None] * steps
        products = np.ldexp(u @ whole, -exponent) * steps[:, None]
        y = np.empty((len(codes), columns), np.float32)
        for j, code in enumerate(codes):
            for i in range(j):
                products[j] -= inner[j, i] * y[i].astype(np.float64)
            self._keep(u[j].astype(np.int32), context_of(ROW_PART, row_code(code, group)))
            fitted = (products[j] / inner[j, j]).astype(np.float32)
            y[j] = self._quantise(fitted, context_of(COLUMN_PART, code))[0]
        add_components(np.ascontiguousarray((u * steps[:, None]).T.astype(np.float32)), -y, matrix)
        return codes

    def rows(self, number: int, matrix: Floats, kind: int) -> list[int]:
        """Quantise the rows of a view and return their classes."""
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
        context = context_of(kind, code)
        below = peak < self.stats.thresholds[context] * self.step
        if below or name in self.skipped:
            self.error += energy
            return SKIPPED
        decoded, error = self._quantise(row, context)
        nonzero = int(np.count_nonzero(decoded))
        self.error += error
        self.gains[name] = energy - error, nonzero
        return row_class(code)

    def _quantise(self, x: Floats, context: int) -> tuple[Floats, float]:
        """Store the integers of x; return their decoded values and the squared error."""
        offsets = self.stats.levels.offsets[context] / OFFSETS_PER_STEP
        first = self.stats.thresholds[context]
        q, decoded, error = round_run(x, self.step, first, offsets, self.sums[context])
        self._keep(q, context)
        return decoded, error

    def _keep(self, q: Int32s, context: int) -> None:
        top = context_models.count_magnitude_tokens(q, self.counts[context])
        self.parts.append(q.astype(np.int8 if top < 128 else np.int16 if top < 32768 else np.int32))

    @property
    def used(self) -> UInt8s:
        """The contexts that occur, ascending."""
        return np.flatnonzero(self.counts.any(axis=1)).astype(np.uint8)

    def finish(self, plan: MatrixPlan, energies: Energies) -> Trial:
        """Return the trial with its size and learned stats."""
        used = self.used
        counts = self.counts[used]
        tables = context_models.fit_tables(used, counts)
        size = len(energies.pack(plan)) + len(self.stats.levels.pack(used))
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

    def _learn(self, used: UInt8s, tables: context_models.ContextTables) -> ContextStats:
        means = mean_offsets(self.sums) * OFFSETS_PER_STEP
        half = OFFSETS_PER_STEP // 2
        offsets = np.clip(np.rint(means), -half, half - 1).astype(np.int64)
        thresholds = self.stats.thresholds.copy()
        for context, row in zip(used.tolist(), tables.freqs, strict=True):
            if has_offsets(context) and np.count_nonzero(row) > 2:
                # |x| = threshold costs the same as 0 and as 1: t^2 = (1' - t)^2 + lambda * bits.
                zero, one_more = symbol_bits(row[[0, 2]]).tolist()
                bits = (one_more - zero) / 256
                one = 1.0 + offsets[context, 0] / OFFSETS_PER_STEP
                thresholds[context] = np.clip(
                    (one * one + _ERROR_PER_BIT * bits) / (2 * one), *_THRESHOLD_RANGE
                )
        return replace(self.stats, levels=LevelOffsets(offsets), thresholds=thresholds)


def _row_energies(matrix: Floats) -> Doubles:
    """Return the sum of squares of each row, over integers: equal in any order of additions."""
    energies = np.empty(matrix.shape[0])
    rows = max(CHUNK // matrix.shape[1], 1)
    for start in range(0, energies.size, rows):
        whole, exponent = round_to_integers(matrix[start : start + rows], _BITS)
        whole *= whole
        energies[start : start + rows] = np.ldexp(whole.sum(axis=1), -2 * exponent)
    return energies
