"""What a partitioner is, and the registry that finds one by name."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.registry import Registry
from fedbytes.streams import stream


class Partitioner(ABC):
    """Splits examples over clients by one column; a frozen dataclass, registered by name.

    A subclass writes `_assign`; checks and the random stream are here.

    Attributes:
        name: the registered name.
        examples: fields of configurations that the contract tests run, one dict each.
        default_factor: the column that a configuration splits by if it names none; `text` for
            the texts themselves, None for the label or else the data's natural column.
    """

    name: ClassVar[str]
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    default_factor: ClassVar[str | None] = None

    @property
    def required_clients(self) -> int | None:
        """The only number of clients that this configuration can split over, or None if any."""
        return None

    def resolve(self, factor: Any) -> tuple["Partitioner", Any]:
        """Return the partitioner that splits, and the column that it splits by.

        Another pair than this one and `factor` where a column is made first, of which the
        partition is then measured: clusters of texts.
        """
        return self, factor

    def __call__(self, factor: Any, num_clients: int = 10, seed: int = 0) -> Partition:
        """Split the examples of a column over clients.

        Args:
            factor: one value an example, [examples]: any sortable type, none missing.
            num_clients: at least 1, at most the number of examples.
            seed: opens the stream `"partition"`; the same seed gives the same partition.

        Raises:
            ValueError: if an argument is malformed or the configuration does not fit it.
        """
        column = Factor(factor)
        clients = _client_count(num_clients, len(column), self.required_clients)
        partition = self._assign(column, clients, stream(seed, "partition"))
        if partition.num_examples != len(column):
            raise ValueError(
                f"partitioner {self.name!r} split {partition.num_examples} of {len(column)} "
                "examples; name what nobody holds in `dropped`"
            )
        return partition

    @abstractmethod
    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        """Return who holds what; every random choice comes from `rng`."""


PARTITIONERS: Registry[Partitioner] = Registry(
    "partitioner",
    Partitioner,  # type: ignore[type-abstract]
    "fedbytes.noniid.partitioners",
)


def make_partitioner(spec: str | Mapping[str, Any] | Partitioner, **fields: Any) -> Partitioner:
    """Build a partitioner from a name and fields, or from `{"name": …, **fields}`.

    Raises:
        ValueError: for an unknown name or field, or a value that the partitioner refuses.
    """
    return PARTITIONERS.make(spec, **fields)


def partitioner_names() -> list[str]:
    """Return the names of all registered partitioners, sorted."""
    return PARTITIONERS.names()


def partitioner_spec(partitioner: Partitioner) -> dict[str, Any]:
    """Return the canonical `{"name": …, **fields}` of a partitioner, defaults included."""
    return PARTITIONERS.spec(partitioner)


def _client_count(num_clients: int, num_examples: int, required: int | None) -> int:
    try:
        clients = operator.index(num_clients)
    except TypeError as error:
        raise ValueError(f"num_clients must be a whole number, got {num_clients!r}") from error
    if clients < 1:
        raise ValueError(f"num_clients must be at least 1, got {clients}")
    if clients > num_examples:
        raise ValueError(
            f"num_clients={clients} is more than the {num_examples} examples; use fewer clients"
        )
    if required is not None and clients != required:
        raise ValueError(
            f"num_clients={clients}, but this partitioner is configured for {required} clients"
        )
    return clients
