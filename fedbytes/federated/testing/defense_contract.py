"""The contract of every defence, as checks that also run on plug-ins of your own."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.defense import DEFENSES, Defense
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.testing.plugin_bench import (
    CLIENTS,
    check_checkpoint,
    check_pure,
    draw_uploads,
    stage_context,
)
from fedbytes.streams import stream
from fedbytes.testing import Check, Finding, check_spec, no_global_random, require, run_checks

CLAIM = 10**9
"""Examples that a hostile client says it has."""


def check_defense(defense: Defense) -> list[Finding]:
    """Run every contract check over a defence, in a federation of ten clients."""
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(DEFENSES, defense)),
        ("works in a stage", lambda: _check_stages(defense)),
    ]
    if "uploads" in defense.stages:
        checks += [
            ("changes nothing it is given, draws from its own", lambda: _check_uploads(defense)),
            ("the order of uploads does not matter", lambda: _check_order(defense)),
            ("a client does not win by claiming examples", lambda: _check_claims(defense)),
        ]
    if "start" in defense.stages:
        checks.append(("begins with a vector of its own", lambda: _check_start(defense)))
    if "loss" in defense.stages:
        checks.append(
            ("the loss has a graph, and leaves the model alone", lambda: _check_loss(defense))
        )
    plugins = RoundPlugins(defense=(defense,))
    return run_checks([*checks, ("resumes from a checkpoint", lambda: check_checkpoint(plugins))])


def _check_stages(defense: Defense) -> str:
    require(bool(defense.stages), "it overrides none of start, uploads and loss")
    return ", ".join(sorted(defense.stages))


def _defended(defense: Defense, uploads: list[Upload]) -> list[Upload]:
    found, _ = defense.uploads(uploads, stage_context("defense 0 check"), {})
    return found


def _mean(defense: Defense, uploads: list[Upload]) -> Tensor:
    return weighted_mean(_defended(defense, uploads))


def _check_uploads(defense: Defense) -> str:
    uploads = draw_uploads("defense")
    found, _ = check_pure(defense.uploads, uploads, stage_context("defense 0 check"), {})
    require(bool(found), "it leaves no upload")
    for upload in found:
        require(upload.delta.shape == uploads[0].delta.shape, "it changes the length of a delta")
        require(bool(torch.isfinite(upload.delta).all()), "it makes a delta that is not finite")
        require(upload.examples >= 1, f"it says that a client has {upload.examples} examples")
    return f"{len(uploads)} uploads in, {len(found)} out"


def _check_start(defense: Defense) -> str:
    context = stage_context("defense 0 check", round_=0)
    found = check_pure(defense.start, context)
    require(found.shape == context.held.shape, "it changes the length of what is held")
    require(bool(torch.isfinite(found).all()), "it begins with numbers that are not finite")
    return f"moved by {float(torch.dist(found, context.held)):.2g}"


def _check_order(defense: Defense) -> str:
    if not defense.permutation_invariant:
        return "does not claim it"
    uploads = draw_uploads("defense")
    order = stream(0, "check order").permutation(CLIENTS)
    one, two = _mean(defense, uploads), _mean(defense, [uploads[place] for place in order])
    apart = float(torch.dist(one, two) / torch.linalg.vector_norm(one))
    require(apart <= 1e-5, f"the mean moves by {apart:.1e} of its norm")
    return f"{apart:.1e} of the norm"


def _check_claims(defense: Defense) -> str:
    """One client sends the opposite of the others, and says that it has 10^9 examples.

    Either that changes nothing, or the mean still points the others' way.
    """
    uploads = draw_uploads("claims")
    opposite = replace(uploads[0], delta=-weighted_mean(uploads), examples=CLAIM)
    honest = weighted_mean(uploads[1:])
    found = _mean(defense, [opposite, *uploads[1:]])
    modest = _mean(defense, [replace(opposite, examples=uploads[0].examples), *uploads[1:]])
    if torch.equal(found, modest):
        return "what a client claims changes nothing"
    cosine = float(torch.nn.functional.cosine_similarity(found, honest, dim=0))
    require(cosine > 0, f"the mean then has cosine {cosine:.2f} with that of the honest clients")
    return f"cosine {cosine:.2f} with the mean of the honest clients"


def _check_loss(defense: Defense) -> str:
    context = stage_context("defense 0 check", client=0)
    model: Any = context.model
    model.set_state(context.held)
    batch = next(model.batches(np.arange(8), 8, stream(0, "check")))
    before, gradient = model.flat.detach().clone(), model.flat.grad.clone()
    values = []
    for _ in range(2):
        with no_global_random():
            values.append(defense.loss(model.loss, context)(batch))
        require(torch.equal(model.flat.grad, gradient), "it adds to the gradient by itself")
        require(torch.equal(model.flat.detach(), before), "it moves the model")
    value = values[0]
    require(value.shape == () and bool(torch.isfinite(value)), "the loss is no finite number")
    require(value.requires_grad, "the loss has no graph")
    require(torch.equal(value, values[1]), "the same batch has another loss the second time")
    return f"{float(value):.3f} of {float(model.loss(batch)):.3f}"
