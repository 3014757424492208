"""Adapters between our partitioners and those of flwr-datasets."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.arrays import Ints
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import Partitioner

_INDEX = "__index__"


@dataclass(frozen=True)
class FromFlwr(Partitioner):
    """A partitioner of flwr-datasets, called on a data set of one column.

    Its randomness is its own: it splits by the seed that it was made with, and not by ours.

    Attributes:
        partitioner: theirs, with no data set assigned yet; it is copied for each call.
        partition_by: the column that it looks for; by default the one that it names itself.
    """

    partitioner: Any
    partition_by: str | None = None

    name: ClassVar[str] = "flwr"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.partitioner.is_dataset_assigned():
            raise ValueError("the flwr-datasets partitioner has a data set already; give a new one")

    def _assign(
        self,
        factor: Factor,
        num_clients: int,
        rng: np.random.Generator,  # noqa: ARG002 - theirs has its own
    ) -> Partition:
        import datasets

        theirs = copy.deepcopy(self.partitioner)
        column = self.partition_by or getattr(theirs, "_partition_by", None) or "label"
        indices = np.arange(len(factor), dtype=np.int64)
        theirs.dataset = datasets.Dataset.from_dict({column: factor.values, _INDEX: indices})
        if theirs.num_partitions != num_clients:
            raise ValueError(
                f"num_clients={num_clients}, but the flwr-datasets partitioner makes "
                f"{theirs.num_partitions} partitions of these data"
            )
        parts = [_sorted_indices(theirs.load_partition(i)) for i in range(num_clients)]
        dropped = np.setdiff1d(indices, np.concatenate(parts))
        return Partition(tuple(parts), dropped)


def from_flwr(partitioner: Any, partition_by: str | None = None) -> FromFlwr:
    """Return a partitioner of flwr-datasets as one of ours.

    Args:
        partitioner: theirs, with no data set assigned yet.
        partition_by: the column that it looks for; by default the one that it names itself.

    Raises:
        ValueError: if a data set is assigned to it. A call raises one where the number of clients
            is not its number of partitions, or where it gives an example to two clients.
    """
    return FromFlwr(partitioner, partition_by)


def to_flwr(
    partitioner: Partitioner, num_partitions: int, partition_by: str = "label", seed: int = 0
) -> Any:
    """Return one of our partitioners as one that `FederatedDataset` of flwr-datasets takes.

    Args:
        partitioner: ours.
        num_partitions: how many clients.
        partition_by: the column of the data set that is the factor.
        seed: opens the random stream.

    Raises:
        ValueError: if flwr-datasets is not installed.
    """
    try:
        from flwr_datasets.partitioner import Partitioner as Theirs
    except ImportError as error:
        raise ValueError("to_flwr needs flwr-datasets: pip install flwr-datasets") from error

    class ToFlwr(Theirs):  # type: ignore[misc]
        """Splits the column once, when the first partition is asked for."""

        def __init__(self) -> None:
            super().__init__()
            self._split: Partition | None = None

        @property
        def num_partitions(self) -> int:
            """Total number of partitions."""
            return num_partitions

        def load_partition(self, partition_id: int) -> Any:
            """Return one client's examples; ids are 0 ... num_partitions - 1."""
            if self._split is None:
                column = self.dataset[partition_by]
                self._split = partitioner(list(column), num_partitions, seed)
            return self.dataset.select(self._split.indices[partition_id])

    return ToFlwr()


def _sorted_indices(part: Any) -> Ints:
    return np.sort(np.asarray(part[_INDEX], dtype=np.int64))
