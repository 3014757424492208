"""A batch on its way through layers that are in several processes, and its gradients back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass
class PipelinePass:
    """One batch's way through the stack and back, part by part (arXiv 1811.06965).

    Attributes:
        run: what this process's layers make of the states of some rows.
        rows: parts of the batch, the same in all processes.
        flat: the trained vector.
        trained: parameters that are views into it.
        wanted: whether a gradient goes back to the process before, or to what is before the stack.
        returned: whether one comes back from the process after.
        kept: what went in and came out of each part, for the way back.
    """

    run: Callable[[Tensor, slice], Tensor]
    rows: list[slice]
    flat: nn.Parameter
    trained: Sequence[nn.Parameter]
    wanted: bool
    returned: bool
    kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rank, self.last = dist.get_rank(), dist.get_world_size() - 1

    def forward(self, states: Tensor, graph: bool) -> Tensor:
        """Return the states [batch, time, hidden] after the last layer, in every process."""
        result, sent = torch.empty_like(states), []
        for rows in self.rows:
            start = states[rows].detach()
            if self.rank > 0:
                start = _receive(start, self.rank - 1)
            if graph:
                start.requires_grad_(self.wanted)
            with torch.set_grad_enabled(graph):
                out = self.run(start, rows)
            if graph:
                self.kept.append((start, out))
            if self.rank < self.last:
                sent.append(_send(out, states.dtype, self.rank + 1))
            else:
                result[rows] = out.detach()
        _finish(sent)
        dist.broadcast(result, src=self.last)
        return result

    def backward(self, gradient: Tensor, into: bool) -> tuple[Tensor | None, Tensor]:
        """Return the gradients of the states that went in (if `into`) and of the trained vector."""
        total, before, sent = torch.zeros_like(self.flat), torch.zeros_like(gradient), []
        for rows in self.rows:
            (start, out), part = self.kept.pop(0), gradient[rows]
            if self.rank < self.last and self.returned:
                part = _receive(part, self.rank + 1)
            found = self._gradients(start, out, part, total)
            if found is not None:
                before[rows] = found
            if self.rank > 0 and self.wanted:
                sent.append(_send(before[rows], gradient.dtype, self.rank - 1))
        _finish(sent)
        dist.all_reduce(total)
        if into:
            dist.broadcast(before, src=0)
        return (before if into else None), total

    def _gradients(
        self, start: Tensor, out: Tensor, gradient: Tensor, total: Tensor
    ) -> Tensor | None:
        """Return the gradient of `start`, if any; add those of what is trained to `total`."""
        if not out.requires_grad:
            return None
        # Parts can share what was computed before the stack, so it is not freed with the first.
        first, *found = torch.autograd.grad(
            out,
            [start if self.wanted else out, *self.trained],
            gradient.to(out.dtype),
            retain_graph=True,
            allow_unused=True,
        )
        for parameter, part in zip(self.trained, found, strict=True):
            if part is not None:
                place = parameter.storage_offset()
                total[place : place + parameter.numel()] += part.reshape(-1)
        return first if self.wanted else None


class PipelineFunction(torch.autograd.Function):
    """The whole stack: a function of the states that go in and of the trained vector."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, _flat: Tensor, batch: PipelinePass) -> Tensor:
        """Return `batch.forward`."""
        ctx.batch, ctx.into = batch, states.requires_grad
        return batch.forward(states, graph=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """Return `batch.backward`."""
        return *ctx.batch.backward(gradient, ctx.into), None


def _send(states: Tensor, dtype: torch.dtype, to: int) -> tuple[Any, Tensor]:
    """Begin to send; who receives knows shape and dtype."""
    out = states.detach().to(dtype).contiguous()
    return dist.isend(out, to), out


def _receive(like: Tensor, source: int) -> Tensor:
    states = torch.empty_like(like, memory_format=torch.contiguous_format)
    dist.recv(states, source)
    return states


def _finish(sent: list[tuple[Any, Tensor]]) -> None:
    for work, _ in sent:
        work.wait()
