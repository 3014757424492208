"""Pursuit: which tokens a layer read, one after another, where they are more than its rows."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.audits.span import Span, as_text
from fedbytes.audits.text_leakage.audit import examples_behind
from fedbytes.audits.text_leakage.gradient_rows import gradient_rows
from fedbytes.audits.text_leakage.guess import Guess
from fedbytes.audits.text_leakage.input_matrices import InputGroup, find_input_group, read_inputs
from fedbytes.audits.text_leakage.signal_space import signal_space
from fedbytes.audits.text_leakage.token_residuals import token_residuals
from fedbytes.federated import AUDITS, Heard, StageContext
from fedbytes.plugin_fields import bounded

_FAINT = 0.01
"""Directions of the residual below this share of its strongest are taken for noise."""

Atom = tuple[int, int]
"""A token at a position."""


@AUDITS.register("omp")
@dataclass(frozen=True, kw_only=True)
class Pursuit(Span):
    """Explain a gradient's rows by few tokens at known positions (compare SOMP, arXiv 2603.16761).

    LoRA's first factors have fewer rows than a text has tokens, so that a single token is in the
    rows' span in part alone, and `span` fails. All rows mix the same tokens: the pursuit takes the
    token at a position that is nearest to the span, takes its direction out of the rows and of all
    others, and goes on (rank-aware order-recursive matching pursuit, Davies and Eldar 2012). Each
    position has as many tokens as there are texts. Rows that mix 7 at place 0 and 9 at place 1 make
    the guess (7, 0), (9, 1).

    Attributes:
        shortlist: how many tokens of each position are tried, those nearest to the span.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"shortlist": 20},)

    shortlist: int = bounded(300, least=1)

    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Take tokens until each position has as many as there are texts."""
        model: Any = context.model
        longest = model.task.max_length
        group = find_input_group(model, heard.shared.layout, longest)
        assert group is not None
        texts = examples_behind(context, heard.senders)
        rows = gradient_rows(delta, heard.shared.layout, group, texts * longest)
        residuals = token_residuals(model, group, signal_space(rows, texts * longest))
        atoms, vectors = self._candidates(model, group, residuals)
        most = texts * longest // group.positions
        taken = pursue(rows, atoms, vectors, most, texts * longest)
        special = list(map(int, model.task.tokenizer.all_special_ids))
        tokens = [t for t in dict.fromkeys(token for token, _ in taken) if t not in special]
        if group.positions == 1:
            return Guess(tokens)
        text = None
        if texts == 1:
            by_place = {place: token for token, place in reversed(taken)}
            text = as_text([by_place[place] for place in sorted(by_place)], special)
        return Guess(tokens, frozenset(taken), None if text is None else [text])

    def _candidates(
        self, model: Any, group: InputGroup, residuals: Tensor
    ) -> tuple[list[Atom], np.ndarray]:
        """Return the shortlist of all positions, and what the layer reads of it [atoms, width]."""
        count = min(self.shortlist, residuals.shape[1])
        nearest = residuals.topk(count, dim=1, largest=False).indices
        tokens = nearest.flatten().to(model.device)
        read = read_inputs(model, group.module, tokens[:, None].expand(-1, group.positions))
        assert read is not None
        places = torch.arange(group.positions, device=read.device).repeat_interleave(count)
        vectors = read[torch.arange(len(tokens), device=read.device), places].double().cpu().numpy()
        return list(zip(tokens.tolist(), places.tolist(), strict=True)), vectors


def pursue(
    rows: np.ndarray, atoms: list[Atom], vectors: np.ndarray, most: int, count: int
) -> list[Atom]:
    """Return the atoms whose vectors explain rows together, those that are taken first in front.

    Args:
        rows: what is explained [rows, width].
        atoms: a token and a position for each vector.
        vectors: what the layer reads of them [atoms, width].
        most: how many atoms a position may have.
        count: how many are taken.

    Example:
        >>> vectors = np.eye(4)
        >>> pursue(np.array([[2.0, 0, 1, 0]]), [(5, 0), (6, 0), (7, 1), (8, 1)], vectors, 1, 2)
        [(5, 0), (7, 1)]
    """
    left = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
    rest, taken = rows.copy(), list[Atom]()
    places, full = np.array([place for _, place in atoms]), Counter[int]()
    open_ = np.ones(len(atoms), dtype=bool)
    while len(taken) < count and open_.any():
        _, strengths, directions = np.linalg.svd(rest, full_matrices=False)
        if strengths[0] < 1e-9 * np.linalg.norm(rows):
            break
        basis = directions[strengths > _FAINT * strengths[0]]
        lengths = np.square(left).sum(1)
        near = np.square(left @ basis.T).sum(1) / lengths.clip(min=1e-9)
        best = int(np.argmax(np.where(open_ & (lengths > 1e-6), near, -1)))
        if not open_[best]:
            break
        taken.append(atoms[best])
        full[atoms[best][1]] += 1
        open_[best] = False
        if full[atoms[best][1]] >= most:
            open_ &= places != atoms[best][1]
        unit = left[best] / lengths[best] ** 0.5
        left = left - np.outer(left @ unit, unit)
        rest = rest - np.outer(rest @ unit, unit)
    return taken
