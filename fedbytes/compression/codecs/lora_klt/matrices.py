"""The tensors of an update as matrices whose rows are directions that can be coded apart.

A LoRA pair is A [r, in] and B [out, r]; both become matrices of r rows: A as it is, B transposed.
Pairs whose A have as many columns read, as a rule, the same stream of hidden states, so their A
stand on top of each other as one tall matrix. Other matrices lie so that they are wide, and any
other tensor is cut into rows of 512.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Doubles, Floats
from fedbytes.compression.codecs.lora_klt.eigen import eigen
from fedbytes.compression.codecs.lora_klt.loops.rotation_loops import rotate_rows
from fedbytes.compression.layout import Layout

_REFERENCE_BITS = 12
_ROW = 512
_LEAST = 4  # rows and columns of a matrix that may have components


@dataclass(frozen=True)
class Matrix:
    """One tensor as a matrix.

    Attributes:
        source: where the tensor lies in the flat vector.
        start: where the matrix lies in the working vector.
        rows: its rows.
        columns: its columns.
        pair: which pair it belongs to, or -1.
        transposed: whether it is the tensor's transpose.
        factored: whether it may have components.
    """

    source: int
    start: int
    rows: int
    columns: int
    pair: int = -1
    transposed: bool = False
    factored: bool = False

    @property
    def is_lora_b(self) -> bool:
        """Whether the tensor is the B of a pair."""
        return self.pair >= 0 and self.transposed

    @property
    def numel(self) -> int:
        """Coordinates."""
        return self.rows * self.columns

    def of(self, vector: Floats) -> Floats:
        """Return the matrix as a view of the flat vector."""
        part = vector[self.source : self.source + self.numel]
        if self.transposed:
            return part.reshape(self.columns, self.rows).T
        return part.reshape(self.rows, self.columns)

    def within(self, work: Floats) -> Floats:
        """Return the matrix as a view of the working vector."""
        return work[self.start : self.start + self.numel].reshape(self.rows, self.columns)


@dataclass(frozen=True)
class MatrixPlan:
    """All matrices, and the tall matrices: (start, rows, columns) in the working vector."""

    matrices: tuple[Matrix, ...]
    stacks: tuple[tuple[int, int, int], ...]

    @property
    def pairs(self) -> int:
        """How many LoRA pairs there are."""
        return max((plane.pair for plane in self.matrices), default=-1) + 1


@functools.lru_cache(maxsize=32)
def plan_matrices(layout: Layout, factored: bool = True) -> MatrixPlan:
    """Return the layout's matrices; without `factored`, every tensor is only cut into rows."""
    shapes, places = layout.shapes, dict(zip(layout.names, layout.offsets, strict=False))
    pairs = _lora_pairs(shapes) if factored else []
    matrices: list[Matrix] = []
    stacks = []

    def add(source: int, rows: int, columns: int, **more: Any) -> None:
        start = matrices[-1].start + matrices[-1].numel if matrices else 0
        matrices.append(Matrix(source, start, rows, columns, **more))

    for columns in sorted({shapes[a][1] for a, _ in pairs}):
        first, members = (
            len(matrices),
            [i for i, (a, _) in enumerate(pairs) if shapes[a][1] == columns],
        )
        for i in members:
            add(places[pairs[i][0]], shapes[pairs[i][0]][0], columns, pair=i, factored=True)
        if len(members) > 1:
            rows = sum(plane.rows for plane in matrices[first:])
            stacks.append((matrices[first].start, rows, columns))
    for i, (_, b) in enumerate(pairs):
        add(places[b], *shapes[b][::-1], pair=i, transposed=True, factored=True)
    taken = {name for pair in pairs for name in pair}
    for name in [name for name in layout.names if name not in taken]:
        _add_unpaired(add, places[name], shapes[name], factored)
    return MatrixPlan(tuple(matrices), tuple(stacks))


def _add_unpaired(
    add: Callable[..., None], source: int, shape: tuple[int, ...], factored: bool
) -> None:
    numel = prod(shape)
    if factored and len(shape) == 2 and min(shape) >= _LEAST:
        tall = shape[0] > shape[1]
        add(source, *(shape[::-1] if tall else shape), transposed=tall, factored=True)
        return
    whole = numel // _ROW * _ROW
    if whole:
        add(source, whole // _ROW, _ROW)
    if numel > whole:
        add(source + whole, 1, numel - whole)


def _lora_pairs(shapes: dict[str, tuple[int, ...]]) -> list[tuple[str, str]]:
    """Return the names of A and B of each pair: `…lora_A…` and `…lora_B…` of one rank."""
    found = []
    for a, shape in shapes.items():
        b = a.replace("lora_A", "lora_B")
        other = shapes.get(b, ()) if b != a else ()
        if len(shape) == len(other) == 2 and shape[0] == other[1] and min(*shape, *other) > 0:
            found.append((a, b))
    return found


def rank_bases(shape: MatrixPlan, reference: Floats | None) -> list[Doubles] | None:
    """Return an orthonormal [r, r] basis of each pair's rank axis, or None without a reference.

    Its columns are the eigenvectors of A A^T and B^T B of the reference, each divided by its
    trace; integers that float64 holds exactly, so that no order of summation matters.
    """
    if reference is None or shape.pairs == 0:
        return None
    grams: list[Doubles | float] = [0.0] * shape.pairs
    for plane in shape.matrices:
        if plane.pair >= 0:
            gram = exact_gram(round_to_integers(plane.of(reference), _REFERENCE_BITS)[0])
            trace = float(np.trace(gram))
            grams[plane.pair] = grams[plane.pair] + gram / max(trace, 1.0)
    return [eigen(np.asarray(gram))[1] for gram in grams]


def round_to_integers(matrix: npt.NDArray[Any], bits: int) -> tuple[Doubles, int]:
    """Return the matrix times 2^e, rounded to integers of at most `bits` bits, and e."""
    top = max(float(matrix.max()), -float(matrix.min()))
    exponent = bits - int(np.frexp(top)[1]) if top > 0 else 0
    whole = matrix.astype(np.float64)
    whole *= 2.0**exponent
    return np.rint(whole, out=whole), exponent


def exact_gram(whole: Doubles) -> Doubles:
    """Return W W^T of integers; exact as long as each sum of squares is below 2^53."""
    product: Doubles = whole @ whole.T
    return product


def gather_matrices(
    shape: MatrixPlan, x: Floats, bases: list[Doubles] | None, work: Floats
) -> None:
    """Write the matrices of x, with rotated rows, to the working vector."""
    for plane in shape.matrices:
        if bases is None or plane.pair < 0:
            plane.within(work)[:] = plane.of(x)
        else:
            rotated = plane.within(work)
            rotate_rows(
                np.ascontiguousarray(bases[plane.pair].T),
                np.ascontiguousarray(plane.of(x)),
                rotated,
            )


def scatter_matrices(
    shape: MatrixPlan, work: Floats, bases: list[Doubles] | None, y: Floats
) -> None:
    """Write the matrices, rotated back, to where their tensors lie in y."""
    for plane in shape.matrices:
        matrix = plane.within(work)
        if bases is not None and plane.pair >= 0:
            back = np.empty_like(matrix)
            rotate_rows(bases[plane.pair], matrix, back)
            matrix = back
        plane.of(y)[:] = matrix
