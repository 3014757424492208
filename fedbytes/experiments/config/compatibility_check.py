"""Checks an algorithm's compatibility with the links, participation and model of a run."""

from dataclasses import replace

from fedbytes.data import Task
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.federation import compatibility
from fedbytes.federated.protocol.link import Link
from fedbytes.models import Adapter, ModelSpec


def check_compatibility(
    algorithm: Algorithm,
    uplink: Link,
    downlink: Link,
    *,
    partial: bool,
    task: Task,
    model: ModelSpec,
    adapter: Adapter,
) -> None:
    """Refuse an algorithm that cannot work with the rest of a run's configuration.

    No model is loaded for it: what only a model can tell is left to `Algorithm.held`.

    Args:
        algorithm: the algorithm.
        uplink: from clients to the server.
        downlink: from the server to clients.
        partial: whether a round has fewer clients than there are.
        task: what is learned.
        model: the base model's specification.
        adapter: what of it is trained.

    Raises:
        ValueError: with the algorithm's reason, in one line.
    """
    joined = replace(
        compatibility(uplink, downlink, partial),
        adapter=adapter,
        classifies=model.head == "linear" and task.kind == "classification",
    )
    refusal = algorithm.refuses(joined)
    if refusal:
        raise ValueError(refusal)
