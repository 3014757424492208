from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import deal_examples, share_among_holders
from fedbytes.noniid.allocation.random_shares import normalise_shares
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.interop.matrix_file import Matrix, make_matrix, read_matrix
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner


@PARTITIONERS.register("transfer")
@dataclass(frozen=True)
class Transfer(Partitioner):
    """Split like another federation: each class goes to the clients in its proportions there.

    Attributes:
        matrix: counts or weights of the other federation, one row per client and one column per
            category; or the path of an .npz, .csv or .json file of them. A run's
            `holdings.json` is one. Where the file names its categories and they are the factor's,
            columns go by name, and otherwise by order.

    Example:
        >>> split = make_partitioner("transfer", matrix=[[3, 1], [0, 2]])
        >>> [part.tolist() for part in split(["a"] * 3 + ["b"] * 3, num_clients=2).indices]
        [[0, 1, 2, 5], [3, 4]]
    """

    matrix: tuple[tuple[float, ...], ...] | str

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"matrix": [[5, 0, 1, 0, 2], [0, 3, 1, 1, 2], [0, 0, 0, 0, 0], [1, 1, 1, 9, 0]]},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.matrix, str):
            make_matrix(self.matrix, None, "matrix")

    def read_paths(self) -> tuple[Path, ...]:
        """Return the file of the matrix, if it is in one, whether that exists or not."""
        return (Path(self.matrix),) if isinstance(self.matrix, str) else ()

    @cached_property
    def _matrix(self) -> Matrix:
        if isinstance(self.matrix, str):
            return read_matrix(self.matrix)
        return make_matrix(self.matrix, None, "matrix")

    @property
    def required_clients(self) -> int | None:
        """The rows of the matrix."""
        return int(self._matrix.weights.shape[0])

    @property
    def required_categories(self) -> int | None:
        """The columns of the matrix."""
        return int(self._matrix.weights.shape[1])

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        weights = self._matrix.columns_for(factor)
        categories, clients = np.nonzero(weights.T > 0)
        table = share_among_holders(
            factor,
            (clients, categories),
            num_clients,
            lambda category, members: normalise_shares(weights[members, category]),
            rng,
        )
        return Partition.from_owners(deal_examples(factor, table, rng), num_clients)
