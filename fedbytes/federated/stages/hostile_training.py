"""How attackers train: what they minimise, and what they keep their change of the model to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.attack import Attack, Constraint
from fedbytes.federated.plugins.stage_context import PluginState, StageContext

_SENT_BEFORE = "attack training"
"""Where an attacker keeps what it was sent when it trained last."""


@contextmanager
def hostile_training(
    fed: Federation, context: RoundContext, start: Tensor, states: dict[str, PluginState]
) -> Iterator[Callable[[Trained], Trained]]:
    """Have an attacker train its own way within a block; honest clients train as ever.

    The trained vector is put back to where it may be before each loss is taken, and the delta
    afterwards: projected steps, whatever the algorithm.

    Args:
        fed: the federation.
        context: of the client.
        start: what it was sent [numel].
        states: what its plug-ins keep, changed in place.

    Yields:
        what makes the delta of the block's training keep to the attacks' constraints.
    """
    training = _training(fed, context.client)
    if not training:
        yield lambda trained: trained
        return
    before = states.get(_SENT_BEFORE, {}).get("held")
    states[_SENT_BEFORE] = {"held": start.clone()}
    moved = None if before is None or before.shape != start.shape else start - before
    acting = [
        (attack, replace(StageContext.of(context, start, stage), moved=moved))
        for attack, stage in training
        if attack.active(context.round)
    ]
    constraints = [c for attack, where in acting if (c := attack.constraint(where)) is not None]
    with _replaced_loss(context.model, start, acting, constraints):
        yield lambda trained: _constrained(trained, constraints) if acting else trained


def trains_apart(fed: Federation, client: int) -> bool:
    """Return whether a client trains its own way in some round, and so never side by side."""
    return bool(_training(fed, client))


def _training(fed: Federation, client: int) -> list[tuple[Attack, str]]:
    """Return the attacks by which a client trains its own way, and their stages."""
    return [
        (attack, f"attack {place} {attack.name}")
        for place, attack in enumerate(fed.plugins.attack)
        if attack.stages & {"loss", "constraint"} and client in fed.population.hostile_sets[place]
    ]


@contextmanager
def _replaced_loss(
    model: Any,
    start: Tensor,
    acting: Sequence[tuple[Attack, StageContext]],
    constraints: Sequence[Constraint],
) -> Iterator[None]:
    """Have the model's loss be the attackers', at what they allow themselves."""
    if not acting:
        yield
        return
    own, was = vars(model).get("loss"), model.loss
    loss = was
    for attack, where in acting:
        loss = attack.loss(loss, where)

    def constrained(batch: Any) -> Tensor:
        with torch.no_grad():
            moved = model.flat - start.to(model.flat.device)
            model.flat.add_(_kept(moved, constraints) - moved)  # adds 0 where nothing is forbidden
        found: Tensor = loss(batch)
        return found

    model.loss = constrained
    try:
        yield
    finally:
        if own is None:
            del model.loss
        else:
            model.loss = own


def _constrained(trained: Trained, constraints: Sequence[Constraint]) -> Trained:
    return trained.with_delta(_kept(trained.delta, constraints)).as_hostile()


def _kept(moved: Tensor, constraints: Sequence[Constraint]) -> Tensor:
    for constraint in constraints:
        moved = constraint(moved)
    return moved
