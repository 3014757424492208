from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner


@PARTITIONERS.register("iid")
@dataclass(frozen=True)
class Iid(Partitioner):
    """Shuffle all examples and deal them out; sizes differ by at most one.

    The factor is used only to be measured. Which clients get the odd examples is drawn too.

    Example:
        >>> split = make_partitioner("iid")
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[4, 5, 6, 7], [0, 1, 2, 3]]
    """

    only_measured: ClassVar[bool] = True

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        owners = np.arange(len(factor), dtype=np.int64) % num_clients
        clients = rng.permutation(num_clients)
        return Partition.from_owners(clients[rng.permutation(owners)], num_clients)
