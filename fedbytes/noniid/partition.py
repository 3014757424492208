"""Who holds what: disjoint sets of example indices, one per client."""

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedbytes.arrays import Int64s
from fedbytes.html_view import Bar, html_table
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.measures.heterogeneity import measure_heterogeneity

_FORMAT = "fedbytes partition 1"
_SHOWN = 30  # clients that a notebook shows


@dataclass(frozen=True, eq=False, repr=False)
class Partition:
    """A split of examples 0 ... n-1 over clients; some may be dropped, a client may be empty.

    Attributes:
        indices: the examples of each client, sorted int64 arrays; read-only.
        dropped: the examples nobody holds, sorted int64; read-only.
        moved: how many examples a repair moved between clients.
        solved: what a partitioner solved for, such as alpha and the NMI that it gave; `then.alpha`
            is that of a nested partitioner. It does not count in comparisons.
        factor_digest: the digest of the column that was split, "" if unknown; likewise.
        names: what each client is, such as the author whose examples it holds; nothing where
            clients have no names. Neither do they count in comparisons.
    """

    indices: tuple[Int64s, ...]
    dropped: Int64s = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    moved: int = 0
    solved: dict[str, float] = field(default_factory=dict)
    factor_digest: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts are sorted, disjoint and together everything.

        Raises:
            ValueError: if they are not, with the example or client at fault, or if names are
                not as many as clients.
        """
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        if self.names and len(self.names) != len(self.indices):
            raise ValueError(f"{len(self.names)} names for {len(self.indices)} clients")
        parts = [_integers(part) for part in (*self.indices, self.dropped)]
        sizes = np.array([part.size for part in parts], dtype=np.int64)
        flat = np.concatenate(parts)
        _check(flat, sizes)
        flat.setflags(write=False)
        views = np.split(flat, np.cumsum(sizes)[:-1])
        object.__setattr__(self, "indices", tuple(views[:-1]))
        object.__setattr__(self, "dropped", views[-1])
        object.__setattr__(self, "moved", int(self.moved))

    @classmethod
    def from_owners(
        cls, owners: Int64s, num_clients: int, moved: int = 0, names: Sequence[str] = ()
    ) -> "Partition":
        """Build from the client of each example, [examples]; -1 drops the example.

        Raises:
            ValueError: if an owner is neither -1 nor a client.
        """
        if owners.size and not -1 <= int(owners.min()) <= int(owners.max()) < num_clients:
            raise ValueError(
                f"owners must be in -1 ... {num_clients - 1}, got {owners.min()} ... {owners.max()}"
            )
        order = np.argsort(owners, kind="stable").astype(np.int64, copy=False)
        ends = np.cumsum(np.bincount(owners + 1, minlength=num_clients + 1))
        parts = np.split(order, ends[:-1])
        return cls(tuple(parts[1:]), parts[0], moved, names=tuple(names))

    @property
    def num_clients(self) -> int:
        """Clients, empty ones included."""
        return len(self.indices)

    @property
    def num_examples(self) -> int:
        """Examples that were split, dropped ones included."""
        return int(self.sizes.sum()) + int(self.dropped.size)

    @cached_property
    def sizes(self) -> Int64s:
        """Examples of each client, int64 [clients]."""
        return np.array([part.size for part in self.indices], dtype=np.int64)

    @cached_property
    def owners(self) -> Int64s:
        """The client of each example, int64 [examples]; -1 for a dropped one."""
        owners = np.full(self.num_examples, -1, dtype=np.int64)
        if self.indices:
            clients = np.arange(self.num_clients, dtype=np.int64)
            owners[np.concatenate(self.indices)] = np.repeat(clients, self.sizes)
        return owners

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over clients, sizes and indices as little-endian int64: the same anywhere."""
        digest = hashlib.sha256(_FORMAT.encode())
        head = np.array([self.num_clients, self.dropped.size], dtype=np.int64)
        for part in (head, self.sizes, *self.indices, self.dropped):
            digest.update(np.ascontiguousarray(part, dtype="<i8").data)
        return digest.hexdigest()

    def name_clients(self, names: Sequence[str]) -> None:
        """Name the clients.

        Raises:
            ValueError: if there are not as many names as clients.
        """
        if len(names) != self.num_clients:
            raise ValueError(f"{len(names)} names for {self.num_clients} clients")
        object.__setattr__(self, "names", tuple(map(str, names)))

    @property
    def found(self) -> dict[str, float]:
        """The old name of `solved`."""
        return self.solved

    def add_solved(self, solved: Mapping[str, float], nested: str) -> None:
        """Add what the partitioner of the field `nested` solved for, as `nested.…`."""
        self.solved.update({f"{nested}.{name}": value for name, value in solved.items()})

    def record_factor(self, factor: Factor) -> None:
        """Record which column was split, so that a saved partition is refused for other data."""
        object.__setattr__(self, "factor_digest", factor.digest)

    def check_fits(self, factor: Factor, what: str = "the partition") -> None:
        """Refuse a column that is not the one that was split.

        Raises:
            ValueError: if its length or, where that is known, its content is another.
        """
        if len(factor) != self.num_examples:
            raise ValueError(
                f"{what} is for other data: it splits {self.num_examples} examples, "
                f"the factor has {len(factor)}"
            )
        if self.factor_digest and self.factor_digest != factor.digest:
            raise ValueError(
                f"{what} is for other data: it split a column of digest "
                f"{self.factor_digest[:12]}, the factor's is {factor.digest[:12]}"
            )

    def metrics(self, factor: Any) -> dict[str, float]:
        """Return the heterogeneity measures of `measures.measure` for a column, [examples].

        Raises:
            ValueError: if the column is malformed or not as long as what was split.
        """
        return measure_heterogeneity(self.contingency(factor))

    def counts(self, factor: Any) -> tuple[NDArray[Any], Int64s]:
        """Return the sorted categories and how many each client holds, int64 [clients, categories].

        Raises:
            ValueError: if the column is malformed or not as long as what was split.
        """
        column = self._column(factor)
        return column.categories, self.contingency(column).dense()

    def contingency(self, factor: Any) -> Contingency:
        """Return the counts of `counts` without their zeros, for many clients and categories."""
        column = self._column(factor)
        return Contingency.of(self.owners, column.codes, self.num_clients, column.categories.size)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .npz file that `load` reads; a reader sees the old file or the whole new one."""
        target = Path(path)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(
                    file,
                    format=np.array(_FORMAT),
                    sizes=self.sizes,
                    indices=np.concatenate([*self.indices, self.dropped]),
                    moved=np.array(self.moved),
                    fingerprint=np.array(self.fingerprint),
                    factor=np.array(self.factor_digest),
                    found=np.array(json.dumps(self.solved, sort_keys=True)),
                    names=np.array(json.dumps(self.names)),
                )
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Partition":
        """Read what `save` wrote.

        Raises:
            ValueError: if there is no such file, it is not a partition, or it was altered.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["format"]) != _FORMAT:
                    raise ValueError(f"its format is {str(file['format'])!r}, not {_FORMAT!r}")
                flat, sizes = _integers(file["indices"]), _integers(file["sizes"])
                moved, expected = int(file["moved"]), str(file["fingerprint"])
                # Files of the first version have none of these.
                digest = str(file["factor"]) if "factor" in file else ""
                solved = dict(json.loads(str(file["found"]))) if "found" in file else {}
                names = tuple(json.loads(str(file["names"]))) if "names" in file else ()
            parts = np.split(flat, np.cumsum(sizes))
            partition = cls(tuple(parts[:-1]), parts[-1], moved, solved, digest, names)
        except (OSError, KeyError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not a readable partition: {error}") from error
        if partition.fingerprint != expected:
            raise ValueError(
                f"{path} was altered: its fingerprint is {partition.fingerprint[:12]}, "
                f"it says {expected[:12]}"
            )
        return partition

    def _column(self, factor: Any) -> Factor:
        column = factor if isinstance(factor, Factor) else Factor(factor)
        if len(column) != self.num_examples:
            raise ValueError(
                f"the factor has {len(column)} values, the partition splits {self.num_examples}"
            )
        return column

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partition) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return (
            f"Partition({self.num_clients} clients, {self.num_examples} examples, "
            f"{self.dropped.size} dropped, {self.moved} moved, {self.fingerprint[:12]})"
        )

    def _repr_html_(self) -> str:
        """Show the sizes of the first clients in a notebook as bars."""
        largest = int(self.sizes.max(initial=0))
        rows = [
            (f"{client} {self.names[client]}" if self.names else client, Bar(int(size), largest))
            for client, size in enumerate(self.sizes[:_SHOWN])
        ]
        more = self.num_clients - len(rows)
        note = f"and {more} more clients" if more else ""
        return html_table(repr(self), rows, ("client", "examples"), note)


def _integers(part: Any) -> Int64s:
    array = np.asarray(part)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"indices must be one-dimensional integers, got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.int64, copy=False)


def _check(flat: Int64s, sizes: Sequence[int] | Int64s) -> None:
    """Raise unless `flat` holds 0 ... n-1 once each, sorted within each of the parts."""
    if flat.size and (int(flat.min()) < 0 or int(flat.max()) >= flat.size):
        raise ValueError(
            f"the parts hold {flat.size} examples, so indices must be 0 ... {flat.size - 1}, "
            f"got {flat.min()} ... {flat.max()}; name what nobody holds in `dropped`"
        )
    times = np.bincount(flat, minlength=flat.size)
    if flat.size and int(times.max()) > 1:
        example = int(times.argmax())
        raise ValueError(f"example {example} is held {times[example]} times; parts are disjoint")
    part = np.repeat(np.arange(len(sizes)), sizes)
    falls = np.flatnonzero((np.diff(flat) < 0) & (np.diff(part) == 0))
    if falls.size:
        raise ValueError(f"the indices of part {part[falls[0]]} are not sorted")
