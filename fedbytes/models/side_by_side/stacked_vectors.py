"""The trained vectors of several clients, and their tensors stacked in the places of a network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fedbytes.compression.layout import Layout


class StackedVectors:
    """One trained vector a client, whose tensors stand in a network as `[clients, *shape]`.

    The tensors are views into the vectors, as `bind_flat_vector` has it of one; `collect` brings
    their gradients to the vectors.

    Args:
        network: its trained parameters are replaced within `in_place`.
        names: name of each trained parameter in the network -> name in the layout.
        layout: of a vector.
        starts: the vectors, float32 [clients, layout.numel].
        device: where they are trained.

    Attributes:
        vectors: the vectors [numel], each with its gradient.
        gradients: all gradients [clients, numel].
    """

    def __init__(
        self,
        network: nn.Module,
        names: Mapping[str, str],
        layout: Layout,
        starts: Tensor,
        device: torch.device,
    ) -> None:
        self._values = starts.to(device, torch.float32, copy=True).contiguous()
        self.gradients = torch.zeros_like(self._values)
        self._stacked: dict[str, nn.Parameter] = {}
        self._layout = layout
        self._places = _places(network, names)
        self._before = [module._parameters[key] for module, key, _ in self._places]
        self._count = 0
        self.vectors = [nn.Parameter(row) for row in self._values]
        for vector, gradient in zip(self.vectors, self.gradients, strict=True):
            vector.grad = gradient

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the network's trained parameters be the first clients' within a block."""
        try:
            self.use(len(self.vectors))
            yield
        finally:
            for (module, key, _), before in zip(self._places, self._before, strict=True):
                module._parameters[key] = before
            self._count = 0

    def use(self, count: int) -> None:
        """Put the tensors of the first `count` clients into the network."""
        if count == self._count:
            return
        self._count = count
        shapes = self._layout.shapes
        self._stacked = {
            name: nn.Parameter(self._values[:count, part].view(count, *shapes[name]))
            for name, part in self._layout.slices().items()
        }
        for module, key, name in self._places:
            module._parameters[key] = self._stacked[name]

    def collect(self) -> None:
        """Put what backward passes found for the tensors into the vectors' gradients."""
        for name, part in self._layout.slices().items():
            held, gradient = self._stacked[name], self.gradients[: self._count, part]
            if held.grad is None:
                gradient.zero_()
            else:
                gradient.copy_(held.grad.view(self._count, -1))
            held.grad = None


def _places(network: nn.Module, names: Mapping[str, str]) -> list[tuple[nn.Module, str, str]]:
    """Return where each trained parameter stands: module, key, and name in the layout."""
    known = {id(parameter): names.get(name) for name, parameter in network.named_parameters()}
    return [
        (module, key, name)
        for module in network.modules()
        for key, parameter in module._parameters.items()
        if parameter is not None and (name := known.get(id(parameter))) is not None
    ]
