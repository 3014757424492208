"""torch's PowerSGD hook of DistributedDataParallel."""

from typing import Any

import torch
from base import Adapter, Tensors


class PowerSgd(Adapter):
    """torch's DDP hook; its bytes are the elements that it all-reduces (one process, gloo)."""

    def __init__(self, rank: int) -> None:
        super().__init__("torch PowerSGD hook", f"rank {rank}")
        self.rank = rank

    def encode(self, tensors: Tensors) -> Any:
        import torch.distributed as dist
        from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook
        from torch.nn.parallel import DistributedDataParallel

        if not dist.is_initialized():
            dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        square = {n: _matrix(t) for n, t in tensors.items()}
        model = torch.nn.ParameterDict(
            {n.replace(".", "_"): torch.zeros_like(m) for n, m in square.items()}
        )
        wrapped = DistributedDataParallel(_Dot(model))
        state = powerSGD_hook.PowerSGDState(
            dist.group.WORLD,
            matrix_approximation_rank=self.rank,
            start_powerSGD_iter=2,
            use_error_feedback=False,
            min_compression_rate=1,
        )
        wrapped.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
        for _ in range(3):  # before it starts to compress
            model.zero_grad()
            wrapped(list(square.values())).backward()
        sent = _Counter()
        with sent:
            model.zero_grad()
            wrapped(list(square.values())).backward()
        return {n: p.grad for n, p in zip(tensors, model.values(), strict=True)}, sent.bytes

    def decode(self, message: Any, like: Tensors) -> Tensors:
        return {n: g.reshape(like[n].shape) for n, g in message[0].items()}

    def handed(self, message: Any) -> int:
        return int(message[1])


class _Dot(torch.nn.Module):
    """A module whose gradients are given vectors."""

    def __init__(self, parameters: torch.nn.ParameterDict) -> None:
        super().__init__()
        self.parameters_ = parameters

    def forward(self, goals: list[torch.Tensor]) -> torch.Tensor:
        pairs = zip(self.parameters_.values(), goals, strict=True)
        return torch.stack([(p * goal).sum() for p, goal in pairs]).sum()


class _Counter:
    """Counts the bytes of what is all-reduced while it is entered."""

    def __enter__(self) -> "_Counter":
        import torch.distributed as dist

        self.bytes, self._real = 0, dist.all_reduce

        def counted(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            self.bytes += tensor.nbytes
            return self._real(tensor, *args, **kwargs)

        dist.all_reduce = counted
        return self

    def __exit__(self, *_: object) -> None:
        import torch.distributed as dist

        dist.all_reduce = self._real


def _matrix(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim == 2:
        return tensor
    side = int(tensor.numel() ** 0.5)
    while tensor.numel() % side:
        side -= 1
    return tensor.view(side, -1)
