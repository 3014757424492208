"""Pipeline parallelism: each process has consecutive layers of the base and passes states on."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fedbytes.models.distributed.pipeline_partition import (
    check_pipeline,
    count_empty_outputs,
    cut_points,
    drop_weights,
    select_rows,
)
from fedbytes.models.distributed.pipeline_schedule import PipelineFunction, PipelinePass
from fedbytes.models.distributed.tensor_parallel import move_unsplit
from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.layer_stack import find_layers, lowest_trained_layer

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Pipeline:
    """Runs a model's layers in the processes that have them, in parts of a batch.

    While one process computes the second part, the next computes the first (GPipe, Huang et al.
    2019, arXiv 1811.06965). Everything before and after the layers, and all trained parameters, are
    replicated: states after the last layer and gradients before the first are broadcast, and
    gradients of trained parameters are summed, so that all processes stay identical.

    Each layer only records its arguments until the last one is called; then the whole stack runs as
    one function with a backward pass of its own.

    Args:
        backbone: a shared copy of the base in CPU memory, with its adapter.
        trained: names of its trained parameters, which are in every process.
        device: this process's device.
        parts: number of parts of a batch.

    Raises:
        ValueError: if the model has no stack of layers that can be split, or too few layers.
    """

    def __init__(self, backbone: Any, trained: set[str], device: torch.device, parts: int) -> None:
        self.backbone, self.parts = backbone, parts
        layers: list[Any] = find_layers(backbone)[1]
        check_pipeline(backbone, len(layers), dist.get_world_size())
        self._count = len(layers)
        rank = dist.get_rank()
        self._begin, self._end = cut_points(len(layers), dist.get_world_size())[rank : rank + 2]
        self._others = count_empty_outputs(backbone, layers)
        self._own = [layer.forward for layer in layers[self._begin : self._end]]
        self._calls: list[Call] = []
        for index, layer in enumerate(layers):
            replace_forward(layer, self._record(index))
        ours = {id(p) for name, p in backbone.named_parameters() if name in trained}
        drop_weights(backbone, layers[: self._begin] + layers[self._end :], ours)
        move_unsplit(backbone, set(), device)

    def bind(self, network: nn.Module, flat: nn.Parameter) -> None:
        """Record the trained parameters, which are views into `flat`.

        Raises:
            ValueError: if parts of a batch give other results than the whole batch.
        """
        home = flat.untyped_storage().data_ptr()
        self._flat = flat
        self._trained = [p for p in network.parameters() if p.untyped_storage().data_ptr() == home]
        self._lowest = lowest_trained_layer(self.backbone)
        self._check_parts()

    def _record(self, layer: int) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if options.get("past_key_values") is not None:
                raise ValueError("pipeline_parallel has no key/value cache: set use_cache=False")
            self._calls = [*self._calls[:layer], (args, options)]
            if layer == self._count - 1:
                hidden_states = self._run(hidden_states)
            if self._others is None:
                return hidden_states
            return (hidden_states, *[None] * self._others)

        return forward

    def _run(self, states: Tensor) -> Tensor:
        calls, self._calls = self._calls[self._begin : self._end], []
        batch = PipelinePass(
            run=lambda part, rows: self._through_own(part, calls, rows, len(states)),
            rows=[slice(*ends) for ends in pairwise(cut_points(len(states), self.parts))],
            flat=self._flat,
            trained=self._trained,
            wanted=self._needs_gradient(self._begin, states),
            returned=self._needs_gradient(self._end, states),
        )
        if torch.is_grad_enabled() and self._needs_gradient(self._count, states):
            after: Tensor = PipelineFunction.apply(states, self._flat, batch)  # type: ignore[no-untyped-call]
            return after
        return batch.forward(states, graph=False)

    def _needs_gradient(self, layer: int, states: Tensor) -> bool:
        """Return whether a layer's input can need a gradient; the same in all processes."""
        return states.requires_grad or self._lowest < layer

    def _through_own(self, states: Tensor, calls: list[Call], rows: slice, whole: int) -> Tensor:
        for layer, (args, options) in zip(self._own, calls, strict=True):
            output = layer(
                states, *select_rows(rows, args, whole), **select_rows(rows, options, whole)
            )
            states = output if self._others is None else output[0]
        return states

    def _check_parts(self) -> None:
        """Compare parts with the whole for a batch as large as another dimension (heads)."""
        size = max(2, int(getattr(self.backbone.config, "num_attention_heads", 2)))
        tokens = torch.arange(size * size, device=self._flat.device).view(size, size)
        tokens = tokens % int(self.backbone.config.vocab_size)
        mask = torch.ones_like(tokens)
        mask[-1, size // 2 :] = 0
        found, parts = [], self.parts
        message = (
            f"pipeline_parallel: {type(self.backbone).__name__} gives other results for parts of a "
            "batch: set microbatches=1"
        )
        try:
            with torch.no_grad():
                for self.parts in (1, parts):
                    found.append(self.backbone(input_ids=tokens, attention_mask=mask)[0][mask == 1])
        except RuntimeError as error:  # of dimensions that do not match
            raise ValueError(message) from error
        if not torch.allclose(found[0], found[1], rtol=1e-3, atol=1e-3):
            raise ValueError(message)
