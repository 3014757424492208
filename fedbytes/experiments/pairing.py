"""What an algorithm is joined with in a run's configuration, and whether it can work with that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fedbytes.data import make_task
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.link import make_link
from fedbytes.federated.round import pairing
from fedbytes.models import make_adapter, make_model_spec

if TYPE_CHECKING:
    from fedbytes.experiments.config import RunConfig


def check_pairing(config: RunConfig) -> None:
    """Refuse an algorithm with links, a participation or a model that it cannot work with.

    No model is loaded for it: what only a model can tell is left to `Algorithm.held`.

    Raises:
        ValueError: with the algorithm's reason, in one line.
    """
    sampled = config.clients_per_round
    partial = sampled is not None and sampled < config.clients.num_clients
    linear = make_model_spec(config.model).head == "linear"
    joined = replace(
        pairing(make_link(config.uplink), make_link(config.downlink), partial),
        adapter=make_adapter(config.adapter),
        classifies=linear and make_task(config.task).kind == "classification",
    )
    refusal = make_algorithm(config.algorithm).refuses(joined)
    if refusal:
        raise ValueError(refusal)
