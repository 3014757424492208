"""Partitioners of texts: they make a column of texts or embeddings, and split by it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import (
    ClientCount,
    KeepColumn,
    Needs,
    Partitioner,
    compute_anew,
)


class TextPartitioner(Partitioner):
    """Makes a column of texts or embeddings, and splits the examples by it with `then`.

    A subclass has a field `then` and writes `make_column`.

    Attributes:
        then: the partitioner that splits by the column.
    """

    then: Partitioner

    @property
    def needs(self) -> Needs:
        """What `make_column` takes: `texts` or `embeddings`."""
        return "texts"

    @property
    def identity(self) -> Sequence[Any] | None:
        """What tells the column from others of the same data, as JSON; None not to keep it.

        Give one where the column takes long, or where its last digits depend on the machine, so
        that all runs of a sweep must share it. Change it whenever `make_column` changes.
        """
        return None

    @property
    def required_clients(self) -> int | None:
        """What `then` requires."""
        return self.then.required_clients

    @abstractmethod
    def make_column(self, given: Any) -> NDArray[Any]:
        """Return the value of each example, [examples].

        Args:
            given: texts [examples], or embeddings, floats [examples, dim].
        """

    def __call__(
        self, factor: Any, num_clients: ClientCount = 10, seed: int = 0, groups: Any = None
    ) -> Partition:
        """Split texts [examples], or embeddings [examples, dim], over clients.

        Raises:
            ValueError: for anything else, or whatever `then` refuses.
        """
        splitter, column = self.resolve(factor)
        return splitter(column, num_clients, seed, groups)

    def resolve(self, factor: Any, keep: KeepColumn = compute_anew) -> tuple[Partitioner, Any]:
        """Return `then` and the value of each example.

        Raises:
            ValueError: for texts that are missing, or where embeddings are required.
        """
        given, identity = self._checked(factor), self.identity
        if identity is None:
            return self.then.resolve(self.make_column(given))
        return self.then.resolve(keep(identity, lambda: self.make_column(given)))

    def _checked(self, given: Any) -> NDArray[Any]:
        array = np.asarray(given) if hasattr(given, "__array__") else None
        if array is not None and array.ndim == 2 and array.dtype.kind == "f":
            return array
        if self.needs == "embeddings":
            raise ValueError(
                f"{self.name} requires the texts' embeddings, floats [examples, dim], instead of "
                "the texts"
            )
        return Factor(given).values

    def _assign(self, factor: Any, num_clients: int, rng: np.random.Generator) -> Partition:  # noqa: ARG002
        raise ValueError(
            f"{self.name} cannot be nested in mixture, compose or quantile; give them as its `then`"
        )
