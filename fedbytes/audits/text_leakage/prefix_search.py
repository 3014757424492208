"""Whole texts of a decoder, token after token, by what its second layer read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

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
_FIRSTS = 2
"""First tokens of which the best beginning is kept, for each text."""
_STALE = 10.0
"""What a token costs that says nothing new, in distances of the best first one: the noise. Wrong
tokens lie farther from the span, right ones nearer.
"""
_FLOOR = 1e-6
"""The least that noise counts as: rounding of float32."""
_CEILING = 0.02
"""The most that a token costs that says nothing new: as much as a wrong one."""
_SAME = 0.999
"""A word that follows itself costs that much where so much of its vector is explained already."""
_RANK = 1e-3
"""Singular values below which vectors of several texts are combinations of each other."""
_ROWS = 256


@dataclass(frozen=True)
class _Beginning:
    """Some tokens of a text, what they cost, and the part of the span that they explain.

    Attributes:
        basis: [k, rank], orthonormal, in coordinates of the span.
    """

    tokens: list[int]
    cost: float
    basis: Tensor

    def grown(self, token: int, cost: float, place: Tensor) -> "_Beginning":
        """Return the beginning with one more token, whose vector in the span has length 1."""
        rest = place - (place @ self.basis.T) @ self.basis
        basis = self.basis
        if float(rest.norm()) > 1e-4:
            basis = torch.cat([basis, (rest / rest.norm())[None]])
        return _Beginning([*self.tokens, token], cost, basis)


def find_texts(
    delta: Tensor, layout: Layout, context: StageContext, tokens: list[int], examples: int
) -> list[list[int]] | None:
    """Return as many texts of some tokens as a message has examples; None if nothing tells.

    What a decoder's second layer reads at a place depends on the text up to there. A beginning is
    extended by each token in turn, and kept while what the layer would read lies near the span of
    its gradient. A word that is repeated again and again makes the layer read the same vector at
    every place, which lies in the span as well as the first does: so a token also costs something
    where the beginning explains it already. Texts are one token shorter than the longest, as
    nothing is predicted from a text's last token, which so leaves no trace; they begin with the
    tokenizer's first token where texts do.

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
    nothing = space.new_zeros(0, space.shape[1])
    beams = [_Beginning([begin] if first else [], 0.0, nothing)]
    stale = 0.0
    for _ in range(longest - 1 - len(beams[0].tokens)):
        costs, places = _costs(model, found.module, space, beams, tokens, stale)
        grown = [[*beam.tokens, token] for beam in beams for token in tokens]
        kept = _best(costs.flatten().tolist(), [row[1 if first else 0] for row in grown], examples)
        beams = [
            beams[place // len(tokens)].grown(
                tokens[place % len(tokens)],
                float(costs.flatten()[place]),
                places[place // len(tokens), place % len(tokens)],
            )
            for place in kept
        ]
        if stale == 0:
            stale = min(_CEILING, _STALE * max(_FLOOR, beams[0].cost))
    return _different(beams, examples, stale)


def _costs(
    model: Any,
    module: str,
    space: Tensor,
    beams: list[_Beginning],
    tokens: list[int],
    stale: float,
) -> tuple[Tensor, Tensor]:
    """Return what each beginning costs with each token, and the token's place in the span.

    Returns:
        float32 [beginnings, tokens], and [beginnings, tokens, rank] of length 1.
    """
    costs, places = [], []
    for beam in beams:
        vectors = []
        for start in range(0, len(tokens), _ROWS):
            rows = [[*beam.tokens, token] for token in tokens[start : start + _ROWS]]
            read = read_inputs(model, module, torch.tensor(rows, device=model.device))
            assert read is not None
            vectors.append(read[:, -1])
        inside = functional.normalize(torch.cat(vectors), dim=-1, eps=1e-12) @ space
        place = functional.normalize(inside, dim=-1, eps=1e-12)
        explained = (place @ beam.basis.T).square().sum(-1)
        cost = beam.cost + 1 - inside.square().sum(-1) + stale * explained
        if beam.tokens and beam.tokens[-1] in tokens:
            last = tokens.index(beam.tokens[-1])
            cost[last] += _CEILING * float(explained[last] > _SAME)
        costs.append(cost)
        places.append(place)
    return torch.stack(costs), torch.stack(places)


def _best(costs: list[float], firsts: list[int], texts: int) -> list[int]:
    """Return which beginnings to keep, cheapest first: the best, and of further first words.

    Else many forms of one text would leave the others of a message no room.

    Args:
        costs: of each beginning.
        firsts: the first word of each.
        texts: how many a message has.
    """
    order = sorted(range(len(costs)), key=lambda place: costs[place])
    best: dict[int, int] = {}
    for place in order:
        best.setdefault(firsts[place], place)
    chosen = {*order[: _BEAMS * texts], *list(best.values())[: _FIRSTS * texts]}
    return [place for place in order if place in chosen]


def _different(beams: list[_Beginning], count: int, stale: float) -> list[list[int]]:
    """Return so many texts: the cheapest, where what the chosen ones explain already costs more."""
    left = sorted(beams, key=lambda one: one.cost)
    chosen: list[_Beginning] = []
    while left and len(chosen) < count:
        known = _joined([one.basis for one in chosen]) if chosen else left[0].basis[:0]
        scores = [one.cost + stale * _share(one.basis, known) for one in left]
        chosen.append(left.pop(int(np.argmin(scores))))
    return [one.tokens for one in chosen]


def _share(basis: Tensor, known: Tensor) -> float:
    """Return how much of a basis another explains."""
    return float((basis @ known.T).square().sum()) / max(1, len(basis))


def _joined(bases: list[Tensor]) -> Tensor:
    """Return an orthonormal basis [k, rank] of what several span together."""
    _, sizes, rows = torch.linalg.svd(torch.cat(bases), full_matrices=False)
    found: Tensor = rows[sizes > _RANK]
    return found


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
