"""The plug-ins that a run's configuration names, built, and checked against each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fedbytes.data import TASKS, Task, make_task
from fedbytes.federated.aggregation import AGGREGATIONS, Aggregation, make_aggregation
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, make_algorithm
from fedbytes.federated.federation import compatibility
from fedbytes.federated.protocol.link import Link, make_link
from fedbytes.models import (
    ADAPTERS,
    Adapter,
    ModelSpec,
    make_adapter,
    make_model_spec,
    model_spec,
)
from fedbytes.noniid import Partitioner, make_partitioner, partitioner_spec

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
    """What a run is made of; named as the fields of `RunConfig` that specify them."""

    task: Task
    model: ModelSpec
    adapter: Adapter
    partition: Partitioner
    algorithm: Algorithm
    uplink: Link
    downlink: Link
    aggregation: Aggregation

    @property
    def specs(self) -> dict[str, dict[str, Any]]:
        """The canonical specification of each, defaults included."""
        return {
            "task": TASKS.spec(self.task),
            "model": model_spec(self.model),
            "adapter": ADAPTERS.spec(self.adapter),
            "partition": partitioner_spec(self.partition),
            "algorithm": ALGORITHMS.spec(self.algorithm),
            "uplink": self.uplink.spec,
            "downlink": self.downlink.spec,
            "aggregation": AGGREGATIONS.spec(self.aggregation),
        }

    def check_compatibility(self, partial: bool) -> None:
        """Refuse an algorithm or an aggregation that cannot work with the other components.

        No model is loaded for it: what only a model can tell is left to `Algorithm.held`.

        Args:
            partial: whether fewer clients than there are take part in a round.

        Raises:
            ValueError: with its reason, in one line.
        """
        joined = replace(
            compatibility(self.uplink, self.downlink, partial, self.aggregation),
            adapter=self.adapter,
            classifies=self.model.head == "linear" and self.task.kind == "classification",
        )
        refusal = self.aggregation.refuses(self.uplink) or self.algorithm.refuses(joined)
        if refusal:
            raise ValueError(refusal)


def build_components(specs: Mapping[str, Any]) -> Components:
    """Build a run's plug-ins from their specifications.

    Raises:
        ValueError: for an unknown name or field, or a value that is refused; one line that starts
            with the component's name.
    """
    return Components(**{key: _build(key, specs[key]) for key in _MAKERS})


def _build(key: str, spec: Any) -> Any:
    try:
        return _MAKERS[key](spec)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
