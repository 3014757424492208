"""Span: which tokens a layer read, from the space that its gradient's rows span."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedbytes.audits.text_leakage import Guess, TextLeakage
from fedbytes.audits.text_leakage.audit import examples_behind
from fedbytes.audits.text_leakage.gradient_rows import gradient_rows
from fedbytes.audits.text_leakage.input_matrices import find_input_group
from fedbytes.audits.text_leakage.prefix_search import find_texts
from fedbytes.audits.text_leakage.signal_space import signal_space
from fedbytes.audits.text_leakage.token_residuals import token_residuals
from fedbytes.compression import Layout
from fedbytes.federated import AUDITS, Heard, StageContext, Trainable


@AUDITS.register("span")
@dataclass(frozen=True, kw_only=True)
class Span(TextLeakage):
    """Test each token against the span of a gradient (DAGER, arXiv 2405.15586), noise or not.

    The gradient of a linear layer is a sum of outer products with the vectors that it read, so its
    rows lie in their span. Of the first layer these are embeddings, which everyone has, and a token
    was read if its embedding lies in the span. Where DAGER has thresholds, which a codec's noise
    breaks, here the rank comes from the spectrum and tokens are ranked by how far they are from
    the span; as many are named as texts could have. The rows are those of whole matrices
    (adapters `matrices`, `full`), or of LoRA's first factors, where it works while tokens are fewer
    than rank times matrices. Positions follow where embeddings have them, texts where a decoder's
    second layer is trained as well. A gradient whose rows span the embeddings of 7 and 9 makes the
    guess 7, 9 and no mistake.
    """

    def refuses_model(self, model: Trainable, layout: Layout) -> str | None:
        """Refuse a message without a matrix that reads embeddings."""
        known: Any = model
        if find_input_group(known, layout, known.task.max_length) is not None:
            return None
        return (
            "no matrix that clients send reads embeddings of tokens: train the first layer's, by "
            "adapter lora with layers=all, matrices or full"
        )

    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Rank all tokens by their distance from the span of the first layer's rows."""
        model: Any = context.model
        longest = model.task.max_length
        group = find_input_group(model, heard.shared.layout, longest)
        assert group is not None
        examples = examples_behind(context, heard.senders)
        rows = gradient_rows(delta, heard.shared.layout, group, examples * longest)
        space = signal_space(rows, examples * longest)
        residuals = token_residuals(model, group, space)
        special = list(map(int, model.task.tokenizer.all_special_ids))
        nearest = residuals.min(dim=0).values
        nearest[special] = torch.inf
        tokens = torch.argsort(nearest, stable=True)[: examples * longest].tolist()
        if group.positions == 1:
            texts = find_texts(delta, heard.shared.layout, context, tokens, examples)
            return Guess(tokens, texts=texts)
        known = [*tokens, *special]
        placed = place_tokens(residuals, known, examples)
        row = [known[i] for i in residuals[:, known].argmin(dim=1).tolist()]
        return Guess(tokens, placed, [as_text(row, special)] if examples == 1 else None)


def place_tokens(residuals: Tensor, tokens: list[int], examples: int) -> frozenset[tuple[int, int]]:
    """Return which of some tokens stand at each position: so many of the nearest."""
    count = min(examples, len(tokens))
    best = residuals[:, tokens].topk(count, dim=1, largest=False).indices
    return frozenset((tokens[i], place) for place, row in enumerate(best.tolist()) for i in row)


def as_text(row: list[int], special: list[int]) -> list[int]:
    """Return a row of tokens up to the special one that closes the text."""
    closing = [place for place, token in enumerate(row) if place and token in special]
    return row[: closing[0]] if closing else row
