"""Plug-ins on a client: it cleans its examples, and protects what it sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.stage_context import PluginState, StageContext, stage_rng
from fedbytes.federated.stages.trusted_rows import root_batch


def clean(
    fed: Federation,
    context: RoundContext,
    start: Tensor,
    states: dict[str, PluginState],
    root: bytes | None = None,
) -> np.ndarray:
    """Return the examples that a client trains on in a round.

    Args:
        fed: the federation.
        context: of the client.
        start: what it was sent.
        states: what its cleaners keep, changed in place.
        root: the payload of the trusted examples that it was sent.

    Raises:
        ValueError: if a cleaner leaves none, or adds some.
    """
    kept = indices = fed.rows(context.client, context.round)
    trusted = None if root is None else root_batch(fed, root)
    for place, cleaner in enumerate(fed.plugins.clean):
        where = StageContext.of(context, start.clone(), f"clean {place} {cleaner.name}")
        where = replace(where, root=trusted)
        if cleaner.uses_model:
            fed.algorithm.load(fed.model, start)
        kept, states[where.stage] = cleaner.clean(kept.copy(), where, states.get(where.stage, {}))
        if not len(kept) or not np.isin(kept, indices).all():
            what = "leaves no example" if not len(kept) else "gives examples that are not those"
            raise ValueError(
                f"cleaner {cleaner.name!r} {what} of client {context.client} in round "
                f"{context.round}: let it drop fewer, or set partition.min_size"
            )
    return kept


@contextmanager
def defended_loss(fed: Federation, context: RoundContext, held: Tensor) -> Iterator[None]:
    """Have the model's loss be what the defences make of it, within a block.

    Raises:
        ValueError: if the client trained without it, so that the defence did nothing.
    """
    defenses = [
        (defense, f"defense {place} {defense.name}")
        for place, defense in enumerate(fed.plugins.defense)
        if "loss" in defense.stages
    ]
    if not defenses:
        yield
        return
    model: Any = context.model
    loss, called = model.loss, False
    for defense, stage in defenses:
        loss = defense.loss(loss, StageContext.of(context, held, stage))

    def counted(batch: Any) -> Tensor:
        nonlocal called
        called = True
        defended: Tensor = loss(batch)
        return defended

    model.loss = counted  # of this object alone: its class's is found again afterwards
    try:
        yield
    finally:
        del model.loss
    if not called:
        raise ValueError(
            f"defense {defenses[0][0].name!r} changes the loss of the model, which algorithm "
            f"{fed.algorithm.name!r} does not ask for: take another algorithm"
        )


def protect(
    fed: Federation, context: RoundContext, trained: Trained, states: dict[str, PluginState]
) -> Trained:
    """Return what a client encodes: its delta, after the privacy mechanisms.

    A hostile client does what it likes with its message, so they do not bind it.

    Args:
        fed: the federation.
        context: of the client.
        trained: what it would encode without them.
        states: what its mechanisms keep, changed in place.
    """
    if trained.hostile or not fed.plugins.privacy:
        return trained
    message = trained.delta.numpy().copy()
    for place, mechanism in enumerate(fed.privacy):
        stage = f"privacy {place} {mechanism.name}"
        kept = _arrays(states.get(stage, {}))
        message, state = mechanism.protect(message, stage_rng(context, stage), kept)
        states[stage] = _tensors(state)
    return trained.with_delta(torch.from_numpy(np.ascontiguousarray(message, dtype=np.float32)))


def _arrays(state: PluginState) -> PluginState:
    return {k: v.numpy().copy() if isinstance(v, Tensor) else v for k, v in state.items()}


def _tensors(state: PluginState) -> PluginState:
    """Return a mechanism's state as a checkpoint holds it."""
    return {
        k: torch.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in state.items()
    }
