import heapq
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.noniid.allocation.deal_by_counts import count_categories, shuffle_by_category
from fedbytes.noniid.allocation.random_shares import draw_equal_sizes
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("natural")
@dataclass(frozen=True)
class NaturalIds(Partitioner):
    """Natural clients: the factor is an id, such as an author, whose examples stay together.

    In this order: ids of more than `max_size` examples are split into equal pieces; pieces below
    `min_size` are merged, the smallest two first; where there are more pieces than clients, they
    are grouped or dropped. Pieces that are as many as the clients, or fewer, are the clients in
    the ids' order, and have their names; clients beyond them are empty. `num_clients="all"` makes
    as many clients as there are pieces.

    Attributes:
        max_size: the most examples of a piece; none if not given.
        min_size: the fewest examples of a client that holds anything.
        others: what happens to more pieces than clients: `group` them, or keep the largest and
            `drop` the others.
        grouping: `balanced` gives the largest piece left to the smallest client so far;
            `random` gives clients equally many pieces.

    Example:
        >>> split = make_partitioner("natural")
        >>> [part.tolist() for part in split(["ann", "bob", "ann", "bob", "bob"],
        ...     num_clients=2).indices]
        [[0, 2], [1, 3, 4]]
    """

    max_size: int | None = bounded(None, least=1)
    min_size: int = bounded(0, least=0)
    others: Literal["group", "drop"] = "group"
    grouping: Literal["balanced", "random"] = "balanced"

    takes_ids: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"max_size": 20, "min_size": 3, "grouping": "random"},
        {"others": "drop"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_size is not None and self.min_size > self.max_size:
            raise ValueError(f"min_size={self.min_size} is more than max_size={self.max_size}")

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        pieces, sizes = self._pieces(factor, rng)
        merged = _merge_small(sizes, self.min_size)
        sizes = np.bincount(merged, sizes).astype(np.int64)
        client = self._clients(sizes, num_clients, rng)
        names: list[str] = []
        if np.bincount(client[client >= 0], minlength=1).max() <= 1:  # none is a group of pieces
            known = _piece_names(factor, pieces, merged)
            names = [""] * num_clients
            for piece, holder in enumerate(client.tolist()):
                if holder >= 0:
                    names[holder] = known[piece]
        return Partition.from_owners(client[merged[pieces]], num_clients, names=names)

    def _assign_all(self, factor: Factor, rng: np.random.Generator) -> Partition:
        whole = self._assign(factor, len(factor), rng)  # no more pieces than examples
        count = int(np.flatnonzero(whole.sizes).max()) + 1
        return Partition.from_owners(whole.owners, count, names=whole.names[:count])

    def _pieces(self, factor: Factor, rng: np.random.Generator) -> tuple[Int64s, Int64s]:
        """Return the piece of each example, and the examples of each piece."""
        sizes = count_categories(factor)
        if self.max_size is None or not (sizes > self.max_size).any():
            return factor.codes, sizes
        number = -(-sizes // self.max_size)
        parts = [
            draw_equal_sizes(int(size), int(n), rng) if n > 1 else np.array([size])
            for size, n in zip(sizes, number, strict=True)
        ]
        piece_sizes = np.concatenate(parts).astype(np.int64)
        pieces = np.empty(len(factor), dtype=np.int64)
        pieces[shuffle_by_category(factor, rng)] = np.repeat(
            np.arange(piece_sizes.size), piece_sizes
        )
        return pieces, piece_sizes

    def _clients(self, sizes: Int64s, num_clients: int, rng: np.random.Generator) -> Int64s:
        """Return the client of each piece, -1 for none."""
        if sizes.size <= num_clients:
            return np.arange(sizes.size)
        largest = np.argsort(-sizes, kind="stable")
        client = np.full(sizes.size, -1, dtype=np.int64)
        if self.others == "drop":
            client[np.sort(largest[:num_clients])] = np.arange(num_clients)
        elif self.grouping == "random":
            client[rng.permutation(sizes.size)] = np.arange(sizes.size) % num_clients
        else:
            loads = [(0, i) for i in range(num_clients)]
            for piece in largest.tolist():
                load, lightest = loads[0]
                client[piece] = lightest
                heapq.heapreplace(loads, (load + int(sizes[piece]), lightest))
        return client


def _piece_names(factor: Factor, pieces: Int64s, merged: Int64s) -> list[str]:
    """Return what each merged piece is called: its id, the part of one, or several joined."""
    first = np.unique(pieces, return_index=True)[1]
    ids = factor.codes[first]  # of each piece
    parts, number = np.bincount(ids), np.zeros(ids.size, dtype=np.int64)
    for code in np.flatnonzero(parts > 1):
        number[ids == code] = np.arange(1, parts[code] + 1)
    plain = [str(factor.categories[code]) for code in ids.tolist()]
    own = [
        f"{name} ({n} of {parts[code]})" if parts[code] > 1 else name
        for name, n, code in zip(plain, number.tolist(), ids.tolist(), strict=True)
    ]
    names: list[list[str]] = [[] for _ in range(int(merged.max(initial=-1)) + 1)]
    for name, place in zip(own, merged.tolist(), strict=True):
        names[place].append(name)
    return [" + ".join(held) for held in names]


def _merge_small(sizes: Int64s, min_size: int) -> Int64s:
    """Return the merged piece of each piece; pieces are merged until none is below `min_size`."""
    if 0 < int(sizes.sum()) < min_size:
        raise ValueError(
            f"min_size={min_size} is more than the {int(sizes.sum())} examples there are"
        )
    into = np.arange(sizes.size)
    heap = [(int(size), piece) for piece, size in enumerate(sizes)]
    heapq.heapify(heap)
    while len(heap) > 1 and heap[0][0] < min_size:
        small, piece = heapq.heappop(heap)
        size, other = heap[0]
        into[max(piece, other)] = min(piece, other)
        heapq.heapreplace(heap, (size + small, min(piece, other)))
    while (into[into] != into).any():  # halves the length of the chains each time
        into = into[into]
    return np.unique(into, return_inverse=True)[1].astype(np.int64, copy=False)
