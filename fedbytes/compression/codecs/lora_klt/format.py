"""The message of `lora_klt`: energies of components and rows, offsets of levels, integers.

The order: for each group (stacks, then factored views) its components, each a row part and a
column part; then, view by view, the rows that are not skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedbytes.arrays import Floats, Int32s, Int64s, UInt8s, UInt32s
from fedbytes.compression.codecs.lora_klt import context_models
from fedbytes.compression.codecs.lora_klt.loops.component_loops import add_components
from fedbytes.compression.codecs.lora_klt.matrices import MatrixPlan, MatrixView
from fedbytes.compression.codecs.lora_klt.rank_one_components import (
    binary_exponent,
    most_components,
    row_step,
)
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader

LOWEST, HIGHEST = -6, 9
SKIPPED = 0
_CODES = HIGHEST - LOWEST + 1
_LIMIT = 80  # largest magnitude of a component's code
ROW_PART, COLUMN_PART, _PAIRED_ROW, _PLAIN_ROW = range(4)
_OFFSET_BITS = 5
OFFSETS_PER_STEP = 32


@dataclass(frozen=True)
class ComponentMatrix:
    """A matrix in the working vector that may have components: a stack of A, or one view."""

    start: int
    rows: int
    columns: int

    def within(self, work: Floats) -> Floats:
        """Return the matrix as a view of the working vector."""
        end = self.start + self.rows * self.columns
        return work[self.start : end].reshape(self.rows, self.columns)

    @property
    def most(self) -> int:
        """The largest number of components."""
        return most_components(self.rows, self.columns)


def component_matrices(plan: MatrixPlan) -> list[ComponentMatrix]:
    """Return the groups in the order of the message: stacks, then factored views."""
    found = [ComponentMatrix(*stack) for stack in plan.stacks]
    found += [ComponentMatrix(p.start, p.rows, p.columns) for p in plan.views if p.factored]
    return [group for group in found if group.most]


@dataclass(frozen=True)
class Energies:
    """Energies of components and rows in squared steps; they determine the contexts.

    Attributes:
        components: for each group, the code of every component: the mean square of its y is
            about 2^code.
        rows: for each view, the class of every row; 0 for a skipped row.
    """

    components: list[list[int]]
    rows: list[list[int]]

    def segments(self, plan: MatrixPlan) -> Iterator[tuple[int, int]]:
        """Yield context and length of each run of integers, in the order of the message."""
        for group, codes in zip(component_matrices(plan), self.components, strict=True):
            for code in codes:
                yield context_of(ROW_PART, row_code(code, group)), group.rows
                yield context_of(COLUMN_PART, code), group.columns
        for view, row_codes in zip(plan.views, self.rows, strict=True):
            kind = row_kind(view)
            for code in row_codes:
                if code != SKIPPED:
                    yield kind * _CODES + code - 1, view.columns

    def contexts(self, plan: MatrixPlan) -> UInt8s:
        """Return the context of each integer."""
        pairs = np.array(list(self.segments(plan)), np.int64).reshape(-1, 2)
        return np.repeat(pairs[:, 0].astype(np.uint8), pairs[:, 1])

    def pack(self, plan: MatrixPlan) -> bytes:
        """Return the bytes that `read_energies` reads."""
        counts = np.array([len(codes) for codes in self.components], np.int64)
        width = int(counts.max(initial=0)).bit_length()
        head = bytes([width]) + pack_bits(counts, width) if counts.size else b""
        kinds = _code_kinds(counts.tolist(), plan)
        flat = [code for codes in (*self.components, *self.rows) for code in codes]
        # Codes of components and of rows are each sent as differences to the last one.
        last, differences = [0, 0], []
        for code, kind in zip(flat, kinds.tolist(), strict=True):
            differences.append(code - last[kind // 2])
            last[kind // 2] = code
        used = np.unique(kinds)
        return head + context_models.pack_in_contexts(np.array(differences, np.int32), kinds, used)


def context_of(kind: int, code: int) -> int:
    """Return the context of integers of a kind whose mean square is about 2^code."""
    return kind * _CODES + min(max(code, LOWEST), HIGHEST) - LOWEST


def row_code(code: int, group: ComponentMatrix) -> int:
    """Return the code of a component's u: its mean square is about 2^code squared steps of u."""
    step = row_step(code, group.columns)
    return binary_exponent(1.0 / (group.rows * step * step))


def row_kind(view: MatrixView) -> int:
    """Return the kind of context of a view's rows."""
    return _PAIRED_ROW if view.pair >= 0 else _PLAIN_ROW


def has_offsets(context: int) -> bool:
    """Return whether the levels of a context have offsets; those of row parts have none."""
    return context >= _CODES


def row_class(code: int) -> int:
    """Return the class of a row whose mean square is about 2^code."""
    return min(max(code, LOWEST), HIGHEST) - LOWEST + 1


def _code_kinds(counts: list[int], plan: MatrixPlan) -> UInt8s:
    """Return the context of each energy code: 0 for a first component, 1 for others, 2, 3: rows."""
    kinds = [kind for count in counts for kind in [0, *[1] * (count - 1)][:count]]
    kinds += [kind for view in plan.views for kind in [2, *[3] * (view.rows - 1)]]
    return np.array(kinds, np.uint8)


def read_energies(reader: Reader, plan: MatrixPlan) -> Energies:
    """Return what `Energies.pack` wrote; raise a ValueError for other bytes."""
    groups = component_matrices(plan)
    counts = np.zeros(len(groups), np.int64)
    if groups:
        width = reader.number("B", "width of component counts", 0, 7)
        packed = reader.take(packed_bytes(len(groups), width), "component counts")
        counts = unpack_bits(packed, len(groups), width).astype(np.int64)
    for group, count in zip(groups, counts.tolist(), strict=True):
        if count > group.most:
            raise ValueError(f"{reader.name} payload: {count} components of at most {group.most}")
    kinds = _code_kinds(counts.tolist(), plan)
    symbols, large = context_models.read_in_contexts(reader, kinds, np.unique(kinds))
    codes, last = [], [0, 0]
    for difference, kind in zip(
        context_models.integers_of(symbols, large).tolist(), kinds, strict=True
    ):
        last[kind // 2] += difference
        low, high = ((-_LIMIT, _LIMIT), (SKIPPED, _CODES))[kind // 2]
        if not low <= last[kind // 2] <= high:
            raise ValueError(f"{reader.name} payload: energy {last[kind // 2]} is out of range")
        codes.append(last[kind // 2])
    parts = iter(codes)
    return Energies(
        [[next(parts) for _ in range(count)] for count in counts.tolist()],
        [[next(parts) for _ in range(view.rows)] for view in plan.views],
    )


@dataclass(frozen=True)
class LevelOffsets:
    """Offsets of the levels ±1, and of ±2 and beyond, of each context, in 1/32 step."""

    offsets: Int64s  # [64 contexts, 2]

    def pack(self, used: UInt8s) -> bytes:
        """Return the offsets of the contexts that have offsets."""
        moved = [int(c) for c in used if has_offsets(int(c))]
        return pack_bits(self.offsets[moved].ravel() + OFFSETS_PER_STEP // 2, _OFFSET_BITS)

    def values(self, q: Int32s, context: int, step: float) -> Floats:
        """Return the values of integers of one context."""
        size = np.abs(q)
        first, beyond = (self.offsets[context] / OFFSETS_PER_STEP).tolist()
        moved = size + np.where(size > 1, beyond, first)
        out: Floats = (np.sign(q) * moved * step).astype(np.float32)
        return out


def no_offsets() -> LevelOffsets:
    """Return offsets that are all zero."""
    return LevelOffsets(np.zeros((4 * _CODES, 2), np.int64))


def read_level_offsets(reader: Reader, used: UInt8s) -> LevelOffsets:
    """Return the offsets of the used contexts."""
    levels = no_offsets()
    moved = [int(c) for c in used if has_offsets(int(c))]
    packed = reader.take(packed_bytes(2 * len(moved), _OFFSET_BITS), "offsets of levels")
    found: Any = unpack_bits(packed, 2 * len(moved), _OFFSET_BITS)
    levels.offsets[moved] = found.astype(np.int64).reshape(-1, 2) - OFFSETS_PER_STEP // 2
    return levels


def read_body(reader: Reader, plan: MatrixPlan, step: float) -> Floats:
    """Return the working vector of a message with this step."""
    energies = read_energies(reader, plan)
    contexts = energies.contexts(plan)
    used = np.unique(contexts)
    body = _IntegerRuns(energies.segments(plan), read_level_offsets(reader, used), step)
    body.symbols, body.large = context_models.read_in_contexts(reader, contexts, used)
    # Components first, added up in their matrices; rows hold what the components leave.
    work = np.zeros(sum(view.numel for view in plan.views), np.float32)
    for group, codes in zip(component_matrices(plan), energies.components, strict=True):
        u = np.empty((group.rows, len(codes)), np.float32)
        y = np.empty((len(codes), group.columns), np.float32)
        for j, code in enumerate(codes):
            u[:, j] = body.integers()[1] * row_step(code, group.columns)
            y[j] = body.values()
        if codes:
            add_components(u, y, group.within(work))
    for view, row_codes in zip(plan.views, energies.rows, strict=True):
        for row, code in zip(view.within(work), row_codes, strict=True):
            if code != SKIPPED:
                row += body.values()
    return work


class _IntegerRuns:
    """The integers of a message, run by run."""

    symbols: UInt8s
    large: UInt32s

    def __init__(
        self, segments: Iterator[tuple[int, int]], levels: LevelOffsets, step: float
    ) -> None:
        self._segments, self._levels, self._step = segments, levels, step
        self._at = self._large_at = 0

    def integers(self) -> tuple[int, Int32s]:
        """Return the context and the integers of the next run."""
        context, size = next(self._segments)
        piece = self.symbols[self._at : self._at + size]
        wide = int(np.count_nonzero(piece > 2 * (1 << context_models.CONTEXT_DIRECT_BITS) - 2))
        q = context_models.integers_of(piece, self.large[self._large_at : self._large_at + wide])
        self._at, self._large_at = self._at + size, self._large_at + wide
        return context, q

    def values(self) -> Floats:
        """Return the values of the next run."""
        context, q = self.integers()
        return self._levels.values(q, context, self._step)
