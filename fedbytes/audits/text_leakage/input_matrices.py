"""Trained matrices that read embeddings, and what they would read of every token."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.compression.layout import Layout

_CHUNK = 1 << 15
"""Vectors of tokens at positions that are computed at once."""
_LORA_A = ".lora_A.weight"


@dataclass(frozen=True)
class InputGroup:
    """Trained matrices that read the same vectors: one for each token and position.

    A row of such a matrix's gradient is a mixture of the vectors that it read.

    Attributes:
        names: of the matrices in the layout; of LoRA the first factors.
        module: name of one of the modules that read them.
        positions: how many positions change a token's vector; 1 where none does.
    """

    names: tuple[str, ...]
    module: str
    positions: int


class _CapturedError(Exception):
    """Ends a forward pass once the wanted input is there."""


def find_input_group(model: Any, layout: Layout, most_positions: int) -> InputGroup | None:
    """Return the matrices of a layout that read embeddings; None if there are none.

    It is found out by two texts that have a token at the same place and differ elsewhere.

    Args:
        model: a `fedbytes.models.TrainableModel`.
        layout: of a message.
        most_positions: how long a text may be.
    """
    names: dict[str, list[str]] = {}
    for name, shape in layout.shapes.items():
        module = name.removesuffix(_LORA_A).removesuffix(".weight")
        if len(shape) == 2 and name.endswith(".weight") and is_linear_module(model, module):
            names.setdefault(module, []).append(name)
    texts = _probes(model)
    kept: dict[str, Tensor] = {}
    for module in names:
        read = read_inputs(model, module, texts)
        if read is not None and torch.equal(read[0, -1], read[1, -1]):
            kept[module] = read
    if not kept:
        return None
    first, read = next(iter(kept.items()))
    alike = [module for module, other in kept.items() if torch.equal(other, read)]
    moved = not torch.equal(read[0, 0], read[0, -1])
    own = tuple(name for module in alike for name in names[module])
    return InputGroup(own, first, most_positions if moved else 1)


def is_linear_module(model: Any, module: str) -> bool:
    """Return whether a model's backbone has a linear layer of that name, adapted or not."""
    try:
        found = model.network.backbone.get_submodule(module)
    except AttributeError:
        return False
    layer = getattr(found, "base_layer", found)
    return isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D"


def read_inputs(model: Any, module: str, tokens: Tensor) -> Tensor | None:
    """Return what a module reads of texts [texts, time, width]; None if it is not of that shape."""
    held: list[Tensor] = []

    def capture(_module: nn.Module, inputs: Sequence[Tensor]) -> None:
        held.append(inputs[0].detach())
        raise _CapturedError

    place = model.network.backbone.get_submodule(module)
    with _hooked(place, capture), torch.no_grad(), suppress(_CapturedError):
        model.score_tokens(tokens, torch.ones_like(tokens))
    if not held or held[0].dim() != 3 or held[0].shape[:2] != tokens.shape:
        return None
    return held[0].float()


def token_vectors(model: Any, group: InputGroup, count: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield what a group reads of every token: which tokens, and [tokens, positions, width].

    Args:
        model: the model.
        group: the matrices.
        count: how many tokens there are.
    """
    many = max(1, _CHUNK // group.positions)
    for start in range(0, count, many):
        part = slice(start, min(start + many, count))
        tokens = torch.arange(part.start, part.stop, device=model.device)
        found = read_inputs(model, group.module, tokens[:, None].expand(-1, group.positions))
        assert found is not None
        yield part, found


@contextmanager
def _hooked(module: nn.Module, hook: Any) -> Iterator[None]:
    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _probes(model: Any) -> Tensor:
    """Return two texts of four tokens that begin and end with one, and differ in between."""
    special = {*map(int, model.task.tokenizer.all_special_ids)}
    one, two, three = [t for t in range(len(model.embedding)) if t not in special][:3]
    rows = [[one, other, other, one] for other in (two, three)]
    return torch.tensor(rows, device=model.device)
