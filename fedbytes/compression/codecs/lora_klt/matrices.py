"""The tensors of an update as matrices whose rows are coded separately.

A LoRA pair A [r, in], B [out, r] becomes two matrices of r rows: A, and B transposed. All A with
the same number of columns usually read the same stream of hidden states, so they are stacked into
one tall matrix. Other matrices are transposed to be wide; any other tensor is cut into rows of 512.
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
_LEAST = 4  # minimum rows and columns of a matrix with components


@dataclass(frozen=True)
class MatrixView:
    """One tensor, or part of one, as a matrix.

    Attributes:
        source: index of its first coordinate in the flat vector.
        start: index of its first coordinate in the working vector.
        rows: number of rows.
        columns: number of columns.
        pair: number of its LoRA pair, or -1.
        transposed: whether it is the transpose of the tensor.
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
        """Number of coordinates."""
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
    """All views, and the stacks of A: (start, rows, columns) in the working vector."""

    views: tuple[MatrixView, ...]
    stacks: tuple[tuple[int, int, int], ...]

    @property
    def pairs(self) -> int:
        """Number of LoRA pairs."""
        return max((view.pair for view in self.views), default=-1) + 1


@functools.lru_cache(maxsize=32)
def plan_matrices(layout: Layout, factored: bool = True) -> MatrixPlan:
    """Return the views of a layout's tensors; without `factored`, all are cut into rows."""
    shapes, starts = layout.shapes, dict(zip(layout.names, layout.offsets, strict=False))
    pairs = _lora_pairs(shapes) if factored else []
    views: list[MatrixView] = []
    stacks = []

    def add(source: int, rows: int, columns: int, **more: Any) -> None:
        start = views[-1].start + views[-1].numel if views else 0
        views.append(MatrixView(source, start, rows, columns, **more))

    # Stacks of A first, by width, then the B, then everything else.
    for columns in sorted({shapes[a][1] for a, _ in pairs}):
        first, members = (
            len(views),
            [i for i, (a, _) in enumerate(pairs) if shapes[a][1] == columns],
        )
        for i in members:
            add(starts[pairs[i][0]], shapes[pairs[i][0]][0], columns, pair=i, factored=True)
        if len(members) > 1:
            rows = sum(view.rows for view in views[first:])
            stacks.append((views[first].start, rows, columns))
    for i, (_, b) in enumerate(pairs):
        add(starts[b], *shapes[b][::-1], pair=i, transposed=True, factored=True)
    taken = {name for pair in pairs for name in pair}
    for name in [name for name in layout.names if name not in taken]:
        _add_unpaired(add, starts[name], shapes[name], factored)
    return MatrixPlan(tuple(views), tuple(stacks))


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
    """Return the names of each pair `…lora_A…`, `…lora_B…` of equal rank."""
    found = []
    for a, shape in shapes.items():
        b = a.replace("lora_A", "lora_B")
        other = shapes.get(b, ()) if b != a else ()
        if len(shape) == len(other) == 2 and shape[0] == other[1] and min(*shape, *other) > 0:
            found.append((a, b))
    return found


def rank_bases(plan: MatrixPlan, reference: Floats | None) -> list[Doubles] | None:
    """Return an orthonormal [r, r] basis of each pair's rank axis, or None without a reference.

    Its columns are the eigenvectors of A A^T + B^T B of the reference, each divided by its trace.
    Integers that float64 holds exactly make sums equal in any order.
    """
    if reference is None or plan.pairs == 0:
        return None
    grams: list[Doubles | float] = [0.0] * plan.pairs
    for view in plan.views:
        if view.pair >= 0:
            gram = exact_gram(round_to_integers(view.of(reference), _REFERENCE_BITS)[0])
            trace = float(np.trace(gram))
            grams[view.pair] = grams[view.pair] + gram / max(trace, 1.0)
    return [eigen(np.asarray(gram))[1] for gram in grams]


def round_to_integers(matrix: npt.NDArray[Any], bits: int) -> tuple[Doubles, int]:
    """Return the matrix times 2^e, rounded to integers of at most `bits` bits, and e."""
    top = max(float(matrix.max()), -float(matrix.min()))
    exponent = bits - int(np.frexp(top)[1]) if top > 0 else 0
    whole = matrix.astype(np.float64)
    whole *= 2.0**exponent
    return np.rint(whole, out=whole), exponent


def exact_gram(whole: Doubles) -> Doubles:
    """Return W W^T of integers; exact while each sum of squares is below 2^53."""
    product: Doubles = whole @ whole.T
    return product


def gather_matrices(plan: MatrixPlan, x: Floats, bases: list[Doubles] | None, work: Floats) -> None:
    """Write the views of x to the working vector, with rank axes rotated to the bases."""
    for view in plan.views:
        if bases is None or view.pair < 0:
            view.within(work)[:] = view.of(x)
        else:
            rotated = view.within(work)
            rotate_rows(
                np.ascontiguousarray(bases[view.pair].T),
                np.ascontiguousarray(view.of(x)),
                rotated,
            )


def scatter_matrices(
    plan: MatrixPlan, work: Floats, bases: list[Doubles] | None, y: Floats
) -> None:
    """Invert `gather_matrices`: write the working vector to the tensors of y."""
    for view in plan.views:
        matrix = view.within(work)
        if bases is not None and view.pair >= 0:
            back = np.empty_like(matrix)
            rotate_rows(bases[view.pair], matrix, back)
            matrix = back
        view.of(y)[:] = matrix
