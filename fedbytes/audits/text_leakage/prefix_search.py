"""Whole texts of a decoder, token after token, by what its second layer read."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.audits.text_leakage.gradient_rows import gradient_rows
from fedbytes.audits.text_leakage.input_matrices import (
    InputGroup,
    is_linear_module,
    read_inputs,
)
from fedbytes.audits.text_leakage.signal_space import signal_space
from fedbytes.compression import Layout
from fedbytes.federated import StageContext
from fedbytes.models.layer_stack import find_layers

_BEAMS = 4
"""Beginnings that are kept for each text."""
_ROWS = 256


def find_texts(
    delta: Tensor, layout: Layout, context: StageContext, tokens: list[int], examples: int
) -> list[list[int]] | None:
    """Return as many texts of some tokens as a message has examples; None if nothing tells.

    What a decoder's second layer reads at a place depends on the text up to there. A beginning is
    extended by each token in turn, and kept while what the layer would read lies near the span of
    its gradient. Texts are one token shorter than the longest, as nothing is predicted from a
    text's last token, which so leaves no trace; they begin with the tokenizer's first token where
    texts do.

    Args:
        delta: the decoded message.
        layout: of the message.
        context: its model holds what clients held.
        tokens: that may occur.
        examples: how many texts there are.
    """
    model: Any = context.model
    found = _second_layer(model, layout)
    if found is None:
        return None
    longest = model.task.max_length
    rows = gradient_rows(delta, layout, found, examples * longest)
    space = torch.from_numpy(signal_space(rows, examples * longest)).to(model.device).float()
    begin = int(model.task.test.tokens[0])  # every text's, where the tokenizer puts one there
    first = begin == getattr(model.task.tokenizer, "bos_token_id", None)
    beams: list[tuple[float, list[int]]] = [(0.0, [begin] if first else [])]
    for _ in range(longest - 1 - len(beams[0][1])):
        beams = _extend(model, found.module, space, beams, tokens, examples * _BEAMS)
    return [row for _, row in beams[:examples]]


def _extend(
    model: Any,
    module: str,
    space: Tensor,
    beams: list[tuple[float, list[int]]],
    tokens: list[int],
    most: int,
) -> list[tuple[float, list[int]]]:
    """Return the best beginnings that are a token longer, each with the sum of its distances."""
    rows = [(cost, [*row, token]) for cost, row in beams for token in tokens]
    costs: list[float] = []
    for start in range(0, len(rows), _ROWS):
        part = torch.tensor([row for _, row in rows[start : start + _ROWS]], device=model.device)
        vectors = read_inputs(model, module, part)
        assert vectors is not None
        last = vectors[:, -1] / vectors[:, -1].norm(dim=-1, keepdim=True).clamp(min=1e-12)
        costs += (1 - (last @ space).square().sum(-1)).tolist()
    order = np.argsort([cost + rows[i][0] for i, cost in enumerate(costs)], kind="stable")[:most]
    return [(rows[i][0] + costs[i], rows[i][1]) for i in order]


def _second_layer(model: Any, layout: Layout) -> InputGroup | None:
    """Return the trained matrices that read what the second layer does, None without any."""
    stack, _ = find_layers(model.network.backbone)
    named: dict[str, str] = {}
    for name, shape in layout.shapes.items():
        module = name.removesuffix(".lora_A.weight").removesuffix(".weight")
        inside = bool(stack) and module.startswith(f"{stack}.1.")
        if len(shape) == 2 and inside and is_linear_module(model, module):
            named[module] = name
    probe = torch.tensor([[3, 4, 5, 6]], device=model.device)
    read = {module: read_inputs(model, module, probe) for module in named}
    known = {module: inputs for module, inputs in read.items() if inputs is not None}
    if not known:
        return None
    first = next(iter(known))
    alike = [named[m] for m, inputs in known.items() if torch.equal(inputs, known[first])]
    return InputGroup(tuple(alike), first, model.task.max_length)
