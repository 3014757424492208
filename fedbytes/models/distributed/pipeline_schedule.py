"""Forward and backward pass of one batch through layers in several processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass
class PipelinePass:
    """Forward and backward pass of one batch through the stack, part by part (arXiv 1811.06965).

    Attributes:
        run: applies this process's layers to the states of some rows.
        rows: rows of each part, the same in all processes.
        flat: the trained vector.
        trained: parameters that are views into it.
        wanted: whether the gradient of the input is needed, there or by the previous process.
        returned: whether the next process returns a gradient.
        kept: input and output of each part, for the backward pass.
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
        """Return the gradients of the input states (if `into`) and of the trained vector."""
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
        """Return the gradient of `start`, if any; add those of trained parameters to `total`."""
        if not out.requires_grad:
            return None
        # Parts can share tensors computed below the stack, which must not be freed with the first.
        first, *found = torch.autograd.grad(
            out,
            [start if self.wanted else out, *self.trained],
            gradient.to(out.dtype),
            retain_graph=True,
            allow_unused=True,
        )
        for parameter, part in zip(self.trained, found, strict=True):
            if part is not None:
                at = parameter.storage_offset()
                total[at : at + parameter.numel()] += part.reshape(-1)
        return first if self.wanted else None


class PipelineFunction(torch.autograd.Function):
    """The whole stack as a function of its input states and the trained vector."""

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
    """Start to send states; the receiver knows shape and dtype."""
    out = states.detach().to(dtype).contiguous()
    return dist.isend(out, to), out


def _receive(like: Tensor, source: int) -> Tensor:
    states = torch.empty_like(like, memory_format=torch.contiguous_format)
    dist.recv(states, source)
    return states


def _finish(sent: list[tuple[Any, Tensor]]) -> None:
    for work, _ in sent:
        work.wait()
