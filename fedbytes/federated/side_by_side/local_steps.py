"""The local steps of several clients of a round, side by side in one model.

Clients with more steps than others go on without them, and each step's batches are as large as
their clients': what differs from one client after the other is the order of sums alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.side_by_side.local_plan import LocalPlan
from fedbytes.federated.trainable import Stackable, StackedModel


@dataclass(frozen=True)
class Lane:
    """One client's local steps.

    Attributes:
        plan: where they begin, and what changes them.
        indices: its examples.
        steps: how many it takes.
        rng: orders its batches.
    """

    plan: LocalPlan
    indices: np.ndarray
    steps: int
    rng: np.random.Generator


def step_side_by_side(
    model: Stackable,
    lanes: Sequence[Lane],
    batch_size: int,
    make_optimizer: Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer],
    max_grad_norm: float | None = None,
) -> list[Trained]:
    """Take the clients' local steps; return what each client's give, in the order of `lanes`.

    Args:
        model: what is trained.
        lanes: the clients'.
        batch_size: examples of a step, fewer at the end of an epoch.
        make_optimizer: of all clients' vectors, each by itself.
        max_grad_norm: clips each client's gradient to this L2 norm.
    """
    # Who takes most steps comes first, so that those who still step are always the first ones.
    order = sorted(range(len(lanes)), key=lambda at: -lanes[at].steps)
    sorted_lanes = [lanes[at] for at in order]
    starts = torch.stack([lane.plan.start.float().cpu() for lane in sorted_lanes])
    with model.side_by_side(starts) as stacked:
        losses = _step(stacked, sorted_lanes, batch_size, make_optimizer, max_grad_norm)
        ends = torch.stack([vector.detach() for vector in stacked.vectors]).to("cpu", torch.float32)
    found = {}
    for at, lane, delta, loss in zip(order, sorted_lanes, ends - starts, losses, strict=True):
        # A copy of its own: a row alone would carry all rows to another process.
        found[at] = lane.plan.finish(Trained(delta.clone(), loss, lane.plan.memory))
    return [found[at] for at in range(len(lanes))]


def _step(
    stacked: StackedModel,
    lanes: Sequence[Lane],
    batch_size: int,
    make_optimizer: Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer],
    max_grad_norm: float | None,
) -> list[float]:
    """Take all steps; return each client's mean loss."""
    optimizer = make_optimizer(stacked.vectors)
    batches = [
        islice(stacked.batches(lane.indices, batch_size, lane.rng), lane.steps) for lane in lanes
    ]
    sums = torch.zeros(len(lanes), device=stacked.gradients.device)
    for step in range(lanes[0].steps):
        count = sum(lane.steps > step for lane in lanes)
        for resting in stacked.vectors[count:]:
            resting.grad = None  # the optimiser passes it over: neither moment nor decay moves it
        values = stacked.losses([next(one) for one in batches[:count]])
        stacked.backward(values)
        _correct(stacked, lanes[:count])
        if max_grad_norm is not None:
            _clip_each(stacked.gradients[:count], max_grad_norm)
        optimizer.step()
        sums[:count] += values.detach()
    return [float(total) / lane.steps for total, lane in zip(sums.tolist(), lanes, strict=True)]


def _correct(stacked: StackedModel, lanes: Sequence[Lane]) -> None:
    with torch.no_grad():
        for lane, vector, gradient in zip(lanes, stacked.vectors, stacked.gradients, strict=False):
            if lane.plan.correct is not None:
                lane.plan.correct(vector, gradient)


def _clip_each(gradients: Tensor, most: float) -> None:
    """Clip each row as `torch.nn.utils.clip_grad_norm_` clips one vector."""
    shares = most / (torch.linalg.vector_norm(gradients, dim=1) + 1e-6)
    gradients.mul_(shares.clamp(max=1.0).unsqueeze(1))
