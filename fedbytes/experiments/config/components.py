"""The plug-ins that a run's configuration names, built, and checked against each other."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fedbytes.data import TASKS, ChatTask, Task, make_task
from fedbytes.experiments.config.clients_at_once import settle_at_once
from fedbytes.experiments.config.config_warning import ConfigWarning
from fedbytes.experiments.config.keep import KeptChoice
from fedbytes.federated.aggregation import AGGREGATIONS, Aggregation, make_aggregation
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, make_algorithm
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.per_example.fit import why_not_per_example
from fedbytes.federated.plugins.audit import AuditedRun
from fedbytes.federated.plugins.carriers import (
    carried_by,
    refuse_aggregation,
    refuse_clients_opening,
)
from fedbytes.federated.plugins.privacy_fit import why_not_private
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
from fedbytes.models.kept.write_model import form_of
from fedbytes.noniid import PARTITIONERS, Partitioner, make_partitioner, partitioner_spec
from fedbytes.privacy.participation import Participation

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

    def check_audits(
        self, rounds: int, evaluate_every: int, set_aside: float | None = None
    ) -> None:
        """Refuse audits that cannot examine the run.

        Raises:
            ValueError: with the reason, in one line.
        """
        prompts = isinstance(self.task, ChatTask)
        run = AuditedRun(self.task.kind, prompts, rounds, evaluate_every)
        kept = set_aside is not None
        for audit in self.plugins.audit:
            refusal = audit.refuses(run)
            if audit.needs_set_aside and not kept:
                refusal = (
                    "compares texts that clients train on with texts of theirs that nobody does, "
                    "of which this run keeps none: set set_aside=0.5"
                )
            if refusal:
                raise ValueError(f"audit {audit.name!r}: {refusal}")

    def check_compatibility(self, participation: Participation) -> None:
        """Refuse a component that cannot work with the others.

        No model is loaded for it: what only a model can tell is left to `Algorithm.held`.

        Args:
            participation: how many clients there are, and take part in a round.

        Raises:
            ValueError: with its reason, in one line.
        """
        clients, sampled = participation.clients, participation.expected
        aggregation = carried_by(self.aggregation, self.plugins.privacy)
        joined = replace(
            compatibility(self.uplink, self.downlink, sampled < clients, aggregation),
            adapter=self.adapter,
            classifies=self.model.head == "linear" and self.task.kind == "classification",
        )
        refusal = (
            refuse_aggregation(aggregation, self.uplink, sampled, self.plugins.privacy)
            or refuse_clients_opening(aggregation, self.algorithm, self.downlink, sampled < clients)
            or self.algorithm.refuses(joined)
            or self.plugins.refuses(self.algorithm, self.uplink, sampled, aggregation.opens_each)
            or why_not_per_example(self.plugins, self.algorithm, getattr(self.task, "pack", False))
            or why_not_private(
                self.plugins, self.algorithm, self.uplink, aggregation, participation
            )
        )
        if refusal:
            raise ValueError(refusal)
        self._check_whole_model()
        for attack in self.plugins.attack:
            attack.count(clients)
        for caution in self.plugins.cautions(self.uplink):
            warnings.warn(caution, ConfigWarning, stacklevel=3)

    def settle_clients_at_once(
        self, wanted: int | str, sampled: int | None, known: int | None
    ) -> int:
        """Return how many clients train at once (see `settle_at_once`).

        Args:
            wanted: a number, or `auto`.
            sampled: clients of a round; None where it is not known or differs.
            known: clients that there are; None where it is not known.

        Raises:
            ValueError: if more than one is asked for and a component cannot, in one line.
        """
        return settle_at_once(
            wanted,
            sampled,
            known,
            algorithm=self.algorithm,
            plugins=self.plugins,
            adapter=self.adapter,
            model=self.model,
            task=self.task,
        )

    def check_evaluation(self, clients: bool | str) -> None:
        """Refuse evaluations of clients that cannot be had (`evaluate_clients`).

        Raises:
            ValueError: in one line that names the remedy.
        """
        if clients and self.task.pack:
            raise ValueError(
                "evaluate_clients measures clients on whole texts, and task.pack joins them into "
                "rows: set task.pack=false, or evaluate_clients=false"
            )
        if clients == "sent" and self.plugins.hides_examples:
            raise ValueError(
                "evaluate_clients=sent has clients send metrics in the clear, which privacy "
                f"{self.plugins.privacy[0].name!r} hides: set evaluate_clients=false"
            )
        vectors = self.algorithm.travels == "vectors" and self.algorithm.downloads == "updates"
        if clients == "sent" and not vectors:
            raise ValueError(
                f"evaluate_clients=sent has clients measure the newest model, which algorithm "
                f"{self.algorithm.name!r} does not keep them in step with: set "
                "evaluate_clients=true"
            )

    def check_keep(self, keep: KeptChoice) -> None:
        """Refuse, before anything is trained, to keep what could not be written at the end.

        Raises:
            ValueError: in one line that names the remedy.
        """
        if keep == "none":
            return
        if self.model.processes:
            raise ValueError(
                f"keep={keep}: with {self.model.processes} each process has a part of the model: "
                "set keep=none"
            )
        form_of(self.adapter, keep == "merged")
        if keep == "adapter" and self.algorithm.moves_base:
            raise ValueError(
                f"keep=adapter: algorithm {self.algorithm.name!r} also moves weights of the base, "
                "which an adapter lacks: set keep=merged"
            )
        if keep == "merged" and (self.model.quantise != "none" or self.model.offload is not None):
            raise ValueError(
                "keep=merged: weights that are quantised or offloaded are not at hand to be added "
                "to: set keep=adapter, or leave out model.quantise and model.device_map"
            )

    def check_workers(self, workers: int) -> None:
        """Refuse clients in several processes where they have to train in the run's own.

        Raises:
            ValueError: in one line.
        """
        reason = ""
        if self.model.processes:
            reason = (
                f"with model.{self.model.processes}=true processes share one model, and clients "
                "train in turn"
            )
        elif self.plugins.scored_by_batches:
            reason = (
                f"audit {self.plugins.scored_by_batches!r} is scored by the batches that clients "
                "read, which are noted in the run's own process"
            )
        if workers > 1 and reason:
            raise ValueError(f"workers_per_run={workers}: {reason}: set workers_per_run=1")

    def _check_whole_model(self) -> None:
        """Refuse plug-ins that read a model's embeddings where its layers are spread.

        Raises:
            ValueError: in one line.
        """
        if not self.model.pipeline_parallel:
            return
        reading = [f"defense {one.name!r}" for one in self.plugins.defense if one.perturbs_inputs]
        reading += [f"audit {one.name!r}" for one in self.plugins.audit if one.needs_texts]
        if reading:
            raise ValueError(
                f"{reading[0]} reads the embeddings of tokens, which model.pipeline_parallel=true "
                "leaves to one process: set it to false"
            )


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
