"""A language model's loss on sentences that are alike but for their ends."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fedbytes.arrays import Doubles
from fedbytes.data import Canary, TokenRow, sentence_rows

_ROWS = 64


def code_losses(model: Any, canary: Canary, codes: Sequence[int]) -> tuple[Doubles, bool]:
    """Return the loss of a canary's sentence with each code, in nats; and whether it is extracted.

    It is extracted if the model, given the opening, writes the canary's own code greedily.

    Args:
        model: a causal language model of `fedbytes.models`, as it is.
        canary: whose opening it is.
        codes: its own first, then others.
    """
    rows = sentence_rows(model.task, [canary.sentence(code) for code in codes])
    opening = _common_start(rows)
    losses = np.empty(len(rows))
    extracted = False
    with torch.inference_mode():
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            found, greedy = _score(model, some, opening)
            losses[start : start + len(some)] = found
            extracted = bool(greedy[0]) if start == 0 else extracted
    return losses, extracted


def _score(model: Any, rows: Sequence[TokenRow], opening: int) -> tuple[Doubles, np.ndarray]:
    width = max(map(len, rows))
    tokens = torch.zeros((len(rows), width), dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.from_numpy(row.tokens.astype(np.int64))
        mask[index, : len(row)] = 1
    tokens, mask = tokens.to(model.device), mask.to(model.device)
    scores = model.score_tokens(tokens, mask, scores_from=opening - 1)[:, :-1].log_softmax(-1)
    wanted, seen = tokens[:, opening:], mask[:, opening:].bool()
    likelihoods = scores.gather(2, wanted[..., None])[..., 0].masked_fill(~seen, 0)
    ends = torch.zeros_like(seen)  # the end token is none of the code's
    ends[torch.arange(len(rows)), seen.sum(1) - 1] = True
    greedy = ((scores.argmax(-1) == wanted) | ~seen | ends).all(1)
    return -likelihoods.sum(1).double().cpu().numpy(), greedy.cpu().numpy()


def _common_start(rows: Sequence[TokenRow]) -> int:
    """Return with how many equal tokens all rows begin; at least one."""
    shortest = min(map(len, rows))
    table = np.stack([row.tokens[:shortest] for row in rows])
    equal = (table == table[0]).all(0)
    return max(1, int(np.argmin(equal)) if not equal.all() else shortest - 1)
