"""Count-sketch: a small table that adds up over clients, read back by medians."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload, make_codec
from fedbytes.compression.codecs.sketch.count_sketch import estimate_vector, sketch_vector
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.compression.summable import (
    Grid,
    Integers,
    Summable,
    as_summable,
    maps_vectors,
)
from fedbytes.plugin_fields import added_field, bounded

_PURPOSE = "sketch"
_ROUNDING = 2.0**-8  # of the values, that shrinking makes up for


@CODECS.register("sketch")
@dataclass(frozen=True)
class Sketch(Summable):
    """The count-sketch of the vector (Ivkin et al. 2019; FetchSGD, Rothchild et al. 2020).

    arXiv 1903.04488 and 2007.07682. All senders of a round hash alike, so the sketch of a sum is
    the sum of the sketches, and a server may add tables before it reads the largest coordinates
    (`count_sketch.py`). The decoder takes the median over the rows and keeps the `extract` share of
    largest estimates. FetchSGD's momentum and error live in the server's sum of tables; a
    sender's error feedback needs `shrink`.

    Each estimate is off by the coordinates that share its cell: for one row by (n - 1) / columns
    times the mean square. `shrink` multiplies by 1 / (1 + (n - 1) / columns), which is the same
    for all senders and makes the code contract.

    Wire: nothing for no coordinates; exponent int16, unless `values` is on a fixed grid; the body
    of `values` over the table [rows, columns] (docs/wire/lowrank.md).

    Unbiased without shrink and extraction if the values are exact (medians of symmetric errors)
    or, for one row, unbiased. Contracts with shrink and no extraction where no value changes by
    more than 2^-8 of it, as in bfloat16: a median's error is at most twice that of one row.

    Attributes:
        rows: independent hashes, at least 1.
        density: rows * columns as a share of the coordinates, in (0, 1].
        columns: cells a row, in place of density.
        extract: share of the coordinates that is decoded, in (0, 1]; the others are zero.
        shrink: whether estimates are scaled down so that error feedback may be used.
        values: codec of the table; with `fixed` all senders' tables are on one grid and add up.
        hashes: whether each round hashes anew, or the run has one set of hashes, so that a server
            can keep tables from round to round.

    Example:
        >>> codec = make_codec("sketch", rows=3, density=1.0, extract=0.125)
        >>> try_codec(codec, [0.0, 0.0, 9.0, 0.0, 0.1, 0.0, -0.2, 0.0])
        (30, [0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """

    rows: int = bounded(5, least=1)
    density: float = bounded(0.1, above=0, most=1)
    columns: int | None = bounded(None, least=1)
    extract: float = bounded(0.01, above=0, most=1)
    shrink: bool = False
    values: Codec = dataclasses.field(default_factory=lambda: make_codec("fp32"))
    hashes: Literal["round", "run"] = added_field("round")
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"rows": 3, "density": 0.25, "extract": 1.0},
        {"rows": 3, "density": 0.25, "values": {"name": "int", "bits": 8}},
        {"rows": 1, "density": 0.5, "extract": 1.0, "shrink": True, "values": {"name": "bf16"}},
        {"rows": 3, "density": 0.25, "values": {"name": "fixed", "clip": 8.0}, "hashes": "run"},
    )
    to_add: ClassVar[str] = "its values, as in uplink={name: sketch, values: {name: fixed}}"

    @property
    def unbiased(self) -> bool:
        """True without shrink and extraction, if the values' rounding keeps it."""
        kept = self.values.exact or (self.rows == 1 and self.values.unbiased)
        return kept and self.extract == 1 and not self.shrink

    @property
    def contracts(self) -> bool:
        """True with shrink and without extraction, if the values are hardly rounded."""
        return self.shrink and self.extract == 1 and self.values.relative_error <= _ROUNDING

    @property
    def sparse(self) -> bool:
        """True with extraction."""
        return self.extract < 1

    def _inner(self, shared: Shared) -> tuple[int, Shared]:
        """Return the columns, and what both ends know of the table."""
        numel = shared.layout.numel
        columns = self.columns or max(1, int(self.density * numel / self.rows))
        if self.rows * columns > max(numel, self.rows):
            raise ValueError(
                f"sketch: {self.rows} rows of {columns} columns are more than the {numel} "
                "coordinates; use fewer columns"
            )
        layout = Layout({"table": (self.rows, columns)})
        return columns, dataclasses.replace(shared, layout=layout, reference=None)

    @property
    def summable(self) -> bool:
        """True if the table's values are."""
        return self.values.summable

    @property
    def recovers_linearly(self) -> bool:
        """True where nothing is ranked: neither rows nor estimates."""
        ranked = self.rows > 2 or self.extract < 1
        return not ranked and as_summable(self.values).recovers_linearly

    @property
    def one_map(self) -> bool:
        """True with the run's hashes, and values that are mapped by nothing."""
        return self.hashes == "run" and not maps_vectors(self.values)

    @property
    def keeps_lengths(self) -> bool:
        """Whether the values' integers do."""
        return as_summable(self.values).keeps_lengths

    @property
    def grid_levels(self) -> int:
        """Those of the table's values."""
        return as_summable(self.values).grid_levels

    def coordinates(self, shared: Shared) -> int:
        """Return how many integers the values' codec has for the table's cells."""
        return as_summable(self.values).coordinates(self._inner(shared)[1])

    def with_range(self, top: float) -> "Sketch | None":
        """Return the same with the values' grid of that range, if it has one."""
        inner = as_summable(self.values).with_range(top)
        return None if inner is None else dataclasses.replace(self, values=inner)

    def grid(self, shared: Shared) -> Grid:
        """Return the grid of the table's values."""
        return as_summable(self.values).grid(self._inner(shared)[1])

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the image of x's table under the values' own map."""
        return as_summable(self.values).project(self._table(x, shared), self._inner(shared)[1])

    def _table(self, x: Floats, shared: Shared) -> Floats:
        """Return the table [rows * columns] of x."""
        columns, _ = self._inner(shared)
        scaled, exponent = split_exponent(x)
        return apply_exponent(
            sketch_vector(scaled, self.rows, columns, self._hashing(shared)).ravel(), exponent
        )

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector of the estimates of the table that an image stands for."""
        inner = self._inner(shared)[1]
        return self._estimate(as_summable(self.values).recover(image, inner), shared)

    def _estimate(self, table: Floats, shared: Shared) -> Floats:
        """Return the vector of a table's estimates, of which the largest are kept."""
        numel, (columns, _) = shared.layout.numel, self._inner(shared)
        y = estimate_vector(table.reshape(self.rows, columns), numel, self._hashing(shared))
        if self.extract < 1:
            kept = select_top_k(y, count_for_density(self.extract, numel))
            values = y[kept]
            y = np.zeros(numel, np.float32)
            y[kept] = values
        if self.shrink:
            y *= np.float32(1 / (1 + (numel - 1) / columns))
        return y

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Round the cells as their codec does."""
        inner = self._inner(shared)[1]
        return as_summable(self.values).round_image(image, inner, grid, noise)

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the cells' integers."""
        return as_summable(self.values).read(body, self._inner(shared)[1])

    def _hashing(self, shared: Shared) -> np.random.Generator:
        if self.hashes == "run":
            return dataclasses.replace(shared, round=0).common_generator(f"{_PURPOSE} of the run")
        return shared.common_generator(_PURPOSE)

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        columns, inner = self._inner(shared)
        if self.summable:  # the grid fits whatever the exponent would be there for
            return self.values.encode_body(self._table(x, shared), inner)
        scaled, exponent = split_exponent(x)
        table = sketch_vector(scaled, self.rows, columns, self._hashing(shared))
        head = pack_exponent(exponent)
        return head + self.values.encode_body(table.ravel(), inner)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0:
            reader.end()
            return np.zeros(0, np.float32)
        _, inner = self._inner(shared)
        exponent = 0 if self.summable else read_exponent(reader)
        table = self.values.decode_body(reader.rest(), inner)
        return apply_exponent(self._estimate(table, shared), exponent)
