"""A client's local steps, with noise on their gradients where each text has a promise."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.per_example.steps import ExampleSteps
from fedbytes.federated.plugins.stage_context import stage_rng
from fedbytes.federated.stages.hostile_training import trains_apart


@contextmanager
def private_steps(fed: Federation, context: RoundContext) -> Iterator[None]:
    """Have the model's batches and loss be private within a block, where a mechanism asks for it.

    An attacker that trains its own way is bound by no mechanism, and is promised nothing.

    Args:
        fed: the federation.
        context: of the client.

    Raises:
        ValueError: if the client took another number of steps than is accounted for.
    """
    acting = [
        (noise, f"privacy {place} {mechanism.name}")
        for place, mechanism in enumerate(fed.privacy)
        if (noise := mechanism.gradient_noise) is not None
    ]
    if not acting or trains_apart(fed, context.client):
        yield
        return
    noise, stage = acting[0]
    model: Any = context.model
    steps = ExampleSteps(model, noise, stage_rng(context, stage))
    own = {key: vars(model)[key] for key in ("batches", "loss") if key in vars(model)}
    model.batches, model.loss = steps.batches, steps.loss
    try:
        yield
    finally:
        del model.batches, model.loss  # its class's are found again, or its own put back
        vars(model).update(own)
    sampled = fed.participation.sampled
    if sampled is None or steps.taken != sampled.steps:
        counted = sampled.steps if sampled else 0
        raise ValueError(
            f"client {context.client} took {steps.taken} private steps in round {context.round}, "
            f"and {counted} are accounted for: algorithm {fed.algorithm.name!r} takes steps in a "
            "way of its own, take one that averages plain steps, such as fedavg"
        )
