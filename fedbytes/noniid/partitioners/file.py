from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner


@PARTITIONERS.register("file")
@dataclass(frozen=True)
class File(Partitioner):
    """A saved partition, for the data that it was made from; the seed is ignored.

    Attributes:
        path: a file that `Partition.save` or `fedbytes partition --save` wrote.
        fingerprint: the saved partition's, or its first digits; where it is given, a file with
            another one is refused.

    Example:
        >>> make_partitioner("iid")([0, 0, 1, 1], num_clients=2).save("split.npz")
        >>> split = make_partitioner("file", path="split.npz")
        >>> [part.tolist() for part in split([0, 0, 1, 1], num_clients=2).indices]
        [[1, 3], [0, 2]]
    """

    path: str
    fingerprint: str = ""

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # a file is for one data set

    def read_paths(self) -> tuple[Path, ...]:
        """Return the file, whether it exists or not."""
        return (Path(self.path),)

    @cached_property
    def _saved(self) -> Partition:
        saved = Partition.load(self.path)
        if not saved.fingerprint.startswith(self.fingerprint):
            raise ValueError(
                f"{self.path} has fingerprint {saved.fingerprint[:12]}, not {self.fingerprint}"
            )
        return saved

    @property
    def required_clients(self) -> int | None:
        """How many clients the file has."""
        return self._saved.num_clients

    def _assign(
        self,
        factor: Factor,
        num_clients: int,  # noqa: ARG002 - `required_clients` has checked it
        rng: np.random.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> Partition:
        self._saved.check_fits(factor, self.path)
        return self._saved
