"""The plug-ins that a run's configuration names, built, and checked against each other."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fedbytes.data import TASKS, Task, make_task
from fedbytes.experiments.config.config_warning import ConfigWarning
from fedbytes.federated.aggregation import AGGREGATIONS, Aggregation, make_aggregation
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, make_algorithm
from fedbytes.federated.federation import compatibility
from fedbytes.federated.plugins.round_plugins import (
    ROUND_REGISTRIES,
    RoundPlugins,
    make_section,
)
from fedbytes.federated.protocol.link import Link, make_link
from fedbytes.models import (
    ADAPTERS,
    Adapter,
    ModelSpec,
    make_adapter,
    make_model_spec,
    model_spec,
)
from fedbytes.noniid import PARTITIONERS, Partitioner, make_partitioner, partitioner_spec

_MAKERS: dict[str, Callable[[Any], Any]] = {
    "task": make_task,
    "model": make_model_spec,
    "adapter": make_adapter,
    "partition": make_partitioner,
    "algorithm": make_algorithm,
    "uplink": make_link,
    "downlink": lambda spec: make_link(spec).for_model,
    "aggregation": make_aggregation,
}


@dataclass(frozen=True)
class Components:
    """The parts of a run; named as the fields of `RunConfig` that specify them."""

    task: Task
    model: ModelSpec
    adapter: Adapter
    partition: Partitioner
    algorithm: Algorithm
    uplink: Link
    downlink: Link
    aggregation: Aggregation
    plugins: RoundPlugins

    @property
    def specs(self) -> dict[str, Any]:
        """The canonical specification of each, or a tuple of them, defaults included."""
        return {
            "task": TASKS.spec(self.task),
            "model": model_spec(self.model),
            "adapter": ADAPTERS.spec(self.adapter),
            "partition": partitioner_spec(self.partition),
            "algorithm": ALGORITHMS.spec(self.algorithm),
            "uplink": self.uplink.spec,
            "downlink": self.downlink.spec,
            "aggregation": AGGREGATIONS.spec(self.aggregation),
            **self.plugins.specs,
        }

    def check_compatibility(self, clients: int, sampled: int) -> None:
        """Refuse a component that cannot work with the others.

        No model is loaded for it: what only a model can tell is left to `Algorithm.held`.

        Args:
            clients: how many there are.
            sampled: how many of them take part in a round.

        Raises:
            ValueError: with its reason, in one line.
        """
        joined = replace(
            compatibility(self.uplink, self.downlink, sampled < clients, self.aggregation),
            adapter=self.adapter,
            classifies=self.model.head == "linear" and self.task.kind == "classification",
        )
        refusal = (
            self.aggregation.refuses(self.uplink)
            or self.algorithm.refuses(joined)
            or self.plugins.refuses(
                self.algorithm, self.uplink, sampled, self.aggregation.opens_each
            )
        )
        if refusal:
            raise ValueError(refusal)
        for attack in self.plugins.attack:
            attack.count(clients)
        for caution in self.plugins.cautions(self.uplink):
            warnings.warn(caution, ConfigWarning, stacklevel=3)


def build_components(specs: Mapping[str, Any]) -> Components:
    """Build a run's plug-ins from their specifications.

    Raises:
        ValueError: for an unknown name or field, or a value that is refused; one line that starts
            with the component's name.
    """
    built = {key: _build(key, make, specs[key]) for key, make in _MAKERS.items()}
    sections = {
        key: _build(key, partial(make_section, key), specs.get(key)) for key in ROUND_REGISTRIES
    }
    return Components(**built, plugins=RoundPlugins(**sections))


def check_partition_fields(spec: Mapping[str, Any], beside: Iterable[str]) -> None:
    """Check the names of a partition's fields, its partitioner's and those `beside` them.

    Raises:
        ValueError: for one that is neither; the message names the nearest.
    """
    try:
        PARTITIONERS.check_fields(spec, beside)
    except ValueError as error:
        raise ValueError(f"partition: {error}") from None


def _build(key: str, make: Callable[[Any], Any], spec: Any) -> Any:
    try:
        return make(spec)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
