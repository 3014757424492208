"""Metrics of a model on a split, from its scores batch by batch."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fedbytes.data.text_data import Column
from fedbytes.data.tokens.encoded import EncodedSplit, Rows
from fedbytes.models.base.device import autocast
from fedbytes.models.batching import Batch, length_sorted_batches, make_batch
from fedbytes.models.heads.metrics import accuracy, macro_f1
from fedbytes.models.heads.network import next_token_loss

_TOKENS_PER_BATCH = 2048

Score = Callable[[Batch], Tensor]
"""Returns class scores [batch, classes], or scores of next tokens [batch, time, vocabulary]."""


@dataclass(frozen=True)
class MeasuredBatch:
    """What is measured on a batch, for metrics of all of them.

    Attributes:
        rows: its examples.
        loss: summed over examples, or over the tokens that are predicted.
        count: of these tokens; of a classification, of its examples.
        answers: of each row, the likeliest class, int64, or whether every learned token is the
            likeliest, bool; None of texts without classes where nobody asks.
    """

    rows: Rows
    loss: float
    count: int
    answers: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Part:
    """Every `of`-th batch, from the `first` on: what one of several processes measures."""

    first: int = 0
    of: int = 1


WHOLE = Part()


def measure_batches(
    score: Score,
    split: EncodedSplit,
    device: torch.device,
    dtype: torch.dtype,
    rows: Rows | None = None,
    part: Part = WHOLE,
    answers: bool = False,
) -> list[MeasuredBatch]:
    """Return what is measured on the batches of a split, or of some of its rows, in their order.

    Args:
        score: returns a batch's scores.
        split: the examples.
        device: where the model runs.
        dtype: of matrix products.
        rows: some of the examples; all by default.
        part: which of the batches; all by default.
        answers: also look at what the model would answer, where there are no classes.
    """
    found = []
    for batch, scores in score_batches(score, split, device, dtype, rows, part):
        given = None
        if batch.labels is not None:
            loss = F.cross_entropy(scores.double(), batch.labels, reduction="sum")
            count, given = len(batch.rows), scores.argmax(1).cpu().numpy()
        else:
            loss, targets = batch_token_loss(scores, batch)
            count = int(targets)
            given = _would_answer(scores, batch).cpu().numpy() if answers else None
        found.append(MeasuredBatch(batch.rows, float(loss), count, given))
    return found


def classification_metrics(
    measured: Iterable[MeasuredBatch], split: EncodedSplit, rows: Rows | None = None
) -> tuple[dict[str, float], npt.NDArray[np.bool_]]:
    """Return `accuracy`, `macro_f1` and `loss` on a split with labels, or on some of its rows.

    With it: bool [texts], which of them were answered rightly, in the order of the split or rows.
    """
    assert split.labels is not None
    chosen = np.arange(len(split)) if rows is None else rows
    guess = np.empty(len(split), dtype=np.int64)
    total = 0.0
    for batch in measured:
        total += batch.loss
        assert batch.answers is not None
        guess[batch.rows] = batch.answers
    found = {
        "accuracy": accuracy(split.labels[chosen], guess[chosen]),
        "macro_f1": macro_f1(split.labels[chosen], guess[chosen]),
        "loss": total / len(chosen),
    }
    return found, (guess == split.labels)[chosen]


def token_metrics(
    measured: Iterable[MeasuredBatch],
    split: EncodedSplit,
    rows: Rows | None = None,
    measures: Column | None = None,
) -> dict[str, float]:
    """Return `loss` (nats per token) and `perplexity` on a split, or on some of its rows.

    Of a whole split whose texts are packed, `bits_per_byte` as well. Of each measure that its
    conversations count for [examples], the share is added whose answers are the greedy ones.
    """
    total, count = 0.0, 0
    greedy = np.zeros(len(split), dtype=bool)
    for batch in measured:
        total, count = total + batch.loss, count + batch.count
        if batch.answers is not None:
            greedy[batch.rows] = batch.answers
    loss = total / max(count, 1)
    found = {"loss": loss, "perplexity": float(np.exp(min(loss, 700.0)))}
    if (
        split.text_bytes and rows is None
    ):  # a row's first token is not predicted, and is counted like the others
        found["bits_per_byte"] = loss * len(split.tokens) / split.text_bytes / math.log(2)
    for name in () if measures is None else np.unique(measures):
        found[str(name)] = float(greedy[measures == name].mean())
    return found


def share_right(
    score: Score, split: EncodedSplit, device: torch.device, dtype: torch.dtype
) -> float:
    """Return the share of examples whose class, or whose every learned token, is the likeliest."""
    right = 0
    for batch, scores in score_batches(score, split, device, dtype):
        if batch.labels is not None:
            right += int((scores.argmax(1) == batch.labels).sum())
        else:
            right += int(_would_answer(scores, batch).sum())
    return right / len(split)


def _would_answer(scores: Tensor, batch: Batch) -> Tensor:
    """Return of which rows every learned token is the likeliest after those before, bool [batch].

    Such an answer, its end token included, is what greedy decoding would write.
    """
    start = batch.scores_from
    wanted, asked = batch.tokens[:, start + 1 :], batch.targets[:, start + 1 :].bool()
    return ((scores[:, :-1].argmax(-1) == wanted) | ~asked).all(1)


def batch_token_loss(scores: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the summed negative log-likelihood of a batch's targets, and their number.

    Args:
        scores: of next tokens, from `batch.scores_from` on.
        batch: the tokens.
    """
    start = batch.scores_from
    return next_token_loss(scores, batch.tokens[:, start:], batch.targets[:, start:])


def score_batches(
    score: Score,
    split: EncodedSplit,
    device: torch.device,
    dtype: torch.dtype,
    rows: Rows | None = None,
    part: Part = WHOLE,
) -> Iterator[tuple[Batch, Tensor]]:
    """Yield batches of a split, or of some of its rows, each with its scores in float32."""
    with torch.inference_mode(), autocast(device, dtype):
        batches = length_sorted_batches(split, _TOKENS_PER_BATCH, rows)
        for some in islice(batches, part.first, None, part.of):
            batch = make_batch(split, some, device)
            yield batch, score(batch).float()
