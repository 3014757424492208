"""The base class of partitioners, and the registry that finds one by name."""

import copy
import dataclasses
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fedbytes.noniid.allocation.example_groups import merge_groups
from fedbytes.noniid.allocation.test_split import split_like
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.measures.heterogeneity import nmi
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.target_heterogeneity import Strength, solve_strength
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry
from fedbytes.streams import stream

ONE_PER_VALUE = "all"
"""The number of clients that stands for one client per value of the factor."""
ClientCount = int | Literal["all"]
Needs = Literal["column", "texts", "embeddings"]
KeepColumn = Callable[[Sequence[Any], Callable[[], NDArray[Any]]], NDArray[Any]]


def compute_anew(identity: Sequence[Any], compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:  # noqa: ARG001
    """Return `compute()`: the `keep` of `Partitioner.resolve` that keeps nothing."""
    return compute()


class Partitioner(Plugin, ABC):
    """Splits examples over clients by one column; a frozen dataclass, registered by name.

    A subclass writes `_assign`; checks and the random stream are here.

    Attributes:
        name: the registered name.
        examples: fields of configurations that the contract tests run, one dict each.
        default_factor: the column that a configuration splits by if it names none; None for the
            label or else the data's natural column, or for the texts where `needs` says so.
        only_measured: whether the column is measured, and does not decide who holds what.
        takes_ids: whether the column's values are clients by nature, such as authors.
        embedding_model: the sentence encoder, where `needs` is `embeddings`.
        strength: the field that a `target` stands for, in schemes that have one.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    default_factor: ClassVar[str | None] = None
    only_measured: ClassVar[bool] = False
    takes_ids: ClassVar[bool] = False
    embedding_model: ClassVar[str] = "minilm"
    strength: ClassVar[Strength | None] = None

    @property
    def required_clients(self) -> int | None:
        """The only number of clients that this configuration can split over, or None if any."""
        return None

    @property
    def needs(self) -> Needs:
        """What a run gives to `resolve`: a column, all texts, or their embeddings."""
        return "column"

    @property
    def by_order(self) -> bool:
        """Whether the order of the column's values decides who holds what.

        A run then reads text of a user's table as the numbers that it spells.
        """
        inner = [getattr(self, f.name) for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        return any(isinstance(one, Partitioner) and one.by_order for one in inner)

    def resolve(self, factor: Any, keep: KeepColumn = compute_anew) -> tuple["Partitioner", Any]:  # noqa: ARG002
        """Return the partitioner that splits, and the column that it splits by.

        By default this one and `factor`. A partitioner that makes a column first, such as
        clusters of texts, returns that column and what splits it; the partition is then measured
        by it.

        Args:
            factor: what `needs` says: a column [examples], texts [examples], or embeddings, floats
                [examples, dim].
            keep: `keep(identity, compute)` returns the column that was computed before for the
                same data and identity, or computes it. A run passes one that keeps columns on
                disk; only partitioners that need texts or embeddings get it.
        """
        return self, factor

    @property
    def required_categories(self) -> int | None:
        """The only number of categories that this configuration can split, or None if any."""
        return None

    def __call__(
        self, factor: Any, num_clients: ClientCount = 10, seed: int = 0, groups: Any = None
    ) -> Partition:
        """Split the examples of a column over clients.

        Args:
            factor: one value an example, [examples]: any sortable type, none missing.
            num_clients: at least 1. There may be more clients than examples; some are empty then.
                `"all"`, where the partitioner has it: one per value of the factor.
            seed: opens the stream `"partition"`; the same seed gives the same partition.
            groups: a second column, [examples]; examples of one group stay together. The groups
                are what is split then, each by its most frequent value, and what fields such as
                `min_size` and `Partition.moved` count.

        Raises:
            ValueError: if an argument is malformed or the configuration does not fit it.
        """
        column = Factor(factor)
        if not len(column):
            raise ValueError("the factor has no values: there is nothing to split")
        clients = _client_count(num_clients, self.required_clients)
        rng = stream(seed, "partition")
        if groups is None:
            partition = self.assign(column, clients, rng)
        else:
            units, unit = merge_groups(column, groups)
            split = self.assign(units, clients, rng)
            names = split.names or _names_of_groups(split, Factor(groups))
            owners = split.owners[unit]
            partition = Partition.from_owners(owners, split.num_clients, split.moved, names)
            partition.solved.update(split.solved)
        partition.record_factor(column)
        return partition

    def split(
        self, train: Any, test: Any, num_clients: ClientCount = 10, seed: int = 0
    ) -> tuple[Partition, Partition]:
        """Split training and test data by the same draw.

        The training part is what calling the partitioner gives. The test part gives each client
        the share of every category that it holds of the training data.

        Args:
            train: the column in the training data, [examples].
            test: the same column in the test data, [examples].
            num_clients: as for a call.
            seed: as for a call.

        Raises:
            ValueError: as for a call.
        """
        partition = self(train, num_clients, seed)
        column = Factor(test)
        paired = split_like(partition, Factor(train), column, stream(seed, "partition", 1))
        paired.record_factor(column)
        return partition, paired

    def assign(
        self, factor: Factor, num_clients: ClientCount, rng: np.random.Generator
    ) -> Partition:
        """Split a checked column; what a partitioner that holds another one calls.

        Raises:
            ValueError: if the configuration does not fit the column.
        """
        required = self.required_categories
        if required is not None and factor.categories.size != required:
            raise ValueError(
                f"the factor has {factor.categories.size} categories, but partitioner "
                f"{self.name!r} is configured for {required}"
            )
        if isinstance(num_clients, str):
            partition = self._assign_all(factor, rng)
        elif getattr(self, "target", None) is not None:
            return self._assign_by_target(factor, num_clients, rng)
        else:
            partition = self._assign(factor, num_clients, rng)
        if partition.num_examples != len(factor):
            raise ValueError(
                f"partitioner {self.name!r} split {partition.num_examples} of {len(factor)} "
                "examples; name what nobody holds in `dropped`"
            )
        return partition

    def _assign_by_target(
        self, factor: Factor, num_clients: int, rng: np.random.Generator
    ) -> Partition:
        """Return the split by the strength that gives the wanted heterogeneity."""
        strength, target = self.strength, getattr(self, "target")  # noqa: B009
        if strength is None:
            raise ValueError(f"partitioner {self.name!r} has a target and no strength")

        def split_at(value: float) -> Partition:
            changed: Any = {strength.field: value, "target": None}
            plain = dataclasses.replace(self, **changed)  # type: ignore[type-var]
            split: Partition = plain.assign(factor, num_clients, copy.deepcopy(rng))
            split.solved["nmi"] = nmi(split.contingency(factor))
            return split

        return solve_strength(strength, target, split_at)

    def _assign_all(self, factor: Factor, rng: np.random.Generator) -> Partition:
        """Return who holds what with one client per value; a partitioner that has it overrides."""
        if self.required_clients is not None:
            return self._assign(factor, self.required_clients, rng)
        raise ValueError(
            f"num_clients: all is one client per value of the factor, which partitioner "
            f"{self.name!r} does not have: give a number, or take the partitioner natural"
        )

    @abstractmethod
    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        """Return who holds what; every random choice comes from `rng`."""


PARTITIONERS: Registry[Partitioner] = Registry(
    "partitioner",
    Partitioner,  # type: ignore[type-abstract]
    "fedbytes.noniid.partitioners",
    "fedbytes.noniid.testing.partitioner_contract:check_partitioner",
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


def _names_of_groups(split: Partition, groups: Factor) -> list[str]:
    """Return the group that each client is, nothing if some client holds several."""
    if split.sizes.max(initial=0) > 1:
        return []
    known = [str(name) for name in groups.categories.tolist()]
    return [known[int(part[0])] if part.size else "" for part in split.indices]


def _client_count(num_clients: ClientCount, required: int | None) -> ClientCount:
    if isinstance(num_clients, str):
        if num_clients != ONE_PER_VALUE:
            raise ValueError(f"num_clients must be a whole number or all, got {num_clients!r}")
        return ONE_PER_VALUE
    try:
        clients = operator.index(num_clients)
    except TypeError as error:
        raise ValueError(f"num_clients must be a whole number, got {num_clients!r}") from error
    if clients < 1:
        raise ValueError(f"num_clients must be at least 1, got {clients}")
    if required is not None and clients != required:
        raise ValueError(
            f"num_clients={clients}, but this partitioner is configured for {required} clients"
        )
    return clients
