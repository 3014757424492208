"""One base over several processes: each holds some consecutive layers and hands on their states."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from fedbytes.models.adapter_parts.attention_prefix import KEYS
from fedbytes.models.distributed.pipeline_schedule import Pass, Stack
from fedbytes.models.distributed.tensor_parallel import move_rest
from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.layer_stack import find_layers, lowest_trained_layer

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Pipeline:
    """Runs a model's layers in the processes that hold them, part by part of a batch.

    While one process has the second part, the next has the first (GPipe, Huang et al. 2019, arXiv
    1811.06965). Every process has whole and computes alike what is before and after the layers,
    and all that is trained: states after the last layer go to all, gradients before the first
    too, and those of what is trained are summed. So all go on as one process would.

    Layers only note how they are called until the last one is reached; then the whole stack runs,
    as one function with a backward pass of its own.

    Args:
        backbone: a shared copy of the base in CPU memory, with its adapter.
        trained: names of its trained parameters, which stay in every process.
        device: where this process computes.
        parts: of a batch.

    Raises:
        ValueError: if the model has no stack of layers that can be cut, or too few.
    """

    def __init__(self, backbone: Any, trained: set[str], device: torch.device, parts: int) -> None:
        self.backbone, self.parts = backbone, parts
        layers: list[Any] = find_layers(backbone)[1]
        _check(backbone, len(layers), dist.get_world_size())
        self._count = len(layers)
        place = dist.get_rank()
        self._begin, self._end = _bounds(len(layers), dist.get_world_size())[place : place + 2]
        self._others = _beside_states(backbone, layers)
        self._own = [layer.forward for layer in layers[self._begin : self._end]]
        self._calls: list[Call] = []
        for place, layer in enumerate(layers):
            replace_forward(layer, self._noting(place))
        ours = {id(p) for name, p in backbone.named_parameters() if name in trained}
        _take_away(backbone, layers[: self._begin] + layers[self._end :], ours)
        move_rest(backbone, set(), device)

    def bind(self, network: nn.Module, flat: nn.Parameter) -> None:
        """Take note of the trained parameters, which are views into `flat`.

        Raises:
            ValueError: if parts of a batch do not give what the whole batch does.
        """
        home = flat.untyped_storage().data_ptr()
        self._flat = flat
        self._trained = [p for p in network.parameters() if p.untyped_storage().data_ptr() == home]
        self._lowest = lowest_trained_layer(self.backbone)
        self._check_parts()

    def _noting(self, place: int) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if options.get("past_key_values") is not None:
                raise ValueError("pipeline_parallel keeps no cache: generate with use_cache=False")
            self._calls = [*self._calls[:place], (args, options)]
            if place == self._count - 1:
                hidden_states = self._run(hidden_states)
            if self._others is None:
                return hidden_states
            return (hidden_states, *[None] * self._others)

        return forward

    def _run(self, states: Tensor) -> Tensor:
        calls, self._calls = self._calls[self._begin : self._end], []
        batch = Pass(
            run=lambda part, rows: self._through_own(part, calls, rows, len(states)),
            rows=[slice(*ends) for ends in pairwise(_bounds(len(states), self.parts))],
            flat=self._flat,
            trained=self._trained,
            wanted=self._reaches(self._begin, states),
            returned=self._reaches(self._end, states),
        )
        if torch.is_grad_enabled() and self._reaches(self._count, states):
            after: Tensor = Stack.apply(states, self._flat, batch)  # type: ignore[no-untyped-call]
            return after
        return batch.forward(states, graph=False)

    def _reaches(self, place: int, states: Tensor) -> bool:
        """Return whether what goes into a layer can need a gradient; alike in all processes."""
        return states.requires_grad or self._lowest < place

    def _through_own(self, states: Tensor, calls: list[Call], rows: slice, whole: int) -> Tensor:
        for layer, (args, options) in zip(self._own, calls, strict=True):
            output = layer(states, *_of(rows, args, whole), **_of(rows, options, whole))
            states = output if self._others is None else output[0]
        return states

    def _check_parts(self) -> None:
        """Compare parts with the whole where other extents are as large as the batch's."""
        size = max(2, int(getattr(self.backbone.config, "num_attention_heads", 2)))
        tokens = torch.arange(size * size, device=self._flat.device).view(size, size)
        tokens = tokens % int(self.backbone.config.vocab_size)
        mask = torch.ones_like(tokens)
        mask[-1, size // 2 :] = 0
        found, parts = [], self.parts
        message = (
            f"pipeline_parallel: {type(self.backbone).__name__} makes something else of parts of a "
            "batch: set microbatches=1"
        )
        try:
            with torch.no_grad():
                for self.parts in (1, parts):
                    found.append(self.backbone(input_ids=tokens, attention_mask=mask)[0][mask == 1])
        except RuntimeError as error:  # of extents that do not fit
            raise ValueError(message) from error
        if not torch.allclose(found[0], found[1], rtol=1e-3, atol=1e-3):
            raise ValueError(message)


def _bounds(count: int, parts: int) -> list[int]:
    """Return where `count` things are cut into at most so many parts of about one size."""
    ends = np.linspace(0, count, min(parts, count) + 1).round().astype(int)
    return [int(end) for end in ends]


def _of(rows: slice, value: Any, whole: int) -> Any:
    """Return what some rows of a batch of `whole` need of a layer's arguments."""
    if isinstance(value, Tensor):
        return value[rows] if value.ndim > 1 and len(value) == whole else value
    if isinstance(value, tuple | list):
        return type(value)(_of(rows, entry, whole) for entry in value)
    if isinstance(value, dict):
        return {key: _of(rows, entry, whole) for key, entry in value.items()}
    return value


def _check(backbone: Any, layers: int, processes: int) -> None:
    if not layers:
        raise ValueError(
            f"pipeline_parallel: {type(backbone).__name__} has no stack of layers that we know of: "
            "leave it out"
        )
    if processes > layers:
        raise ValueError(
            f"pipeline_parallel: {processes} processes for {layers} layers: start torchrun with "
            f"--nproc-per-node {layers} or fewer"
        )
    if hasattr(backbone, KEYS):
        raise ValueError(
            "pipeline_parallel does not go with adapter prefix_tuning, whose start the layers of "
            "all processes compute: use prompt_tuning"
        )


def _beside_states(backbone: Any, layers: list[Any]) -> int | None:
    """Return how many empty places stand beside the states that layers return; None for no tuple.

    Raises:
        ValueError: if anything else stands there, or layers differ.
    """
    found: list[Any] = []
    hooks = [x.register_forward_hook(lambda _m, _a, out: found.append(out)) for x in layers]
    tokens = torch.zeros(1, 2, dtype=torch.int64)
    with torch.no_grad():
        backbone(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    for hook in hooks:
        hook.remove()
    beside = {len(out) - 1 if isinstance(out, tuple) else None for out in found}
    more = any(x is not None for out in found if isinstance(out, tuple) for x in out[1:])
    if more or len(found) != len(layers) or len(beside) != 1:
        raise ValueError(
            f"pipeline_parallel: layers of {type(backbone).__name__} hand on more than their "
            "states: leave it out"
        )
    return beside.pop()


def _take_away(backbone: nn.Module, others: Sequence[nn.Module], kept: set[int]) -> None:
    """Leave nothing but the shapes of what only other processes' layers have.

    Args:
        backbone: with all its layers.
        others: the layers of other processes.
        kept: ids of parameters that stay.
    """
    away, stays = {id(layer) for layer in others}, set[int]()

    def visit(module: nn.Module) -> None:
        if id(module) not in away | stays:
            stays.add(id(module))
            for child in module.children():
                visit(child)

    visit(backbone)
    for module in (m for layer in others for m in layer.modules() if id(m) not in stays):
        for name, held in module.named_parameters(recurse=False):
            if id(held) not in kept:
                shape = torch.empty_like(held, device="meta")
                module._parameters[name] = nn.Parameter(shape, requires_grad=False)
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty_like(buffer, device="meta")
