"""Batches of token rows: shuffled for training, sorted by length for evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedbytes.data.tokens.encoded import EncodedSplit, Rows


@dataclass(frozen=True)
class Batch:
    """Some examples of a split, padded on the right to the longest of them.

    Attributes:
        tokens: int64 [batch, time].
        mask: int64 [batch, time], 1 for tokens and 0 for padding.
        labels: int64 [batch], or None for causal-lm.
        rows: indices of the examples in the split.
        split: the split's name.
        learned: bool [batch, time], the tokens in the loss; None for all.
        scores_from: index from which scores are needed: one before the first learned token.
    """

    tokens: Tensor
    mask: Tensor
    labels: Tensor | None
    rows: Rows
    split: str
    learned: Tensor | None = None
    scores_from: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def targets(self) -> Tensor:
        """Mask of the tokens to be predicted, [batch, time]."""
        return self.mask if self.learned is None else self.learned


def make_batch(split: EncodedSplit, rows: Rows, device: torch.device) -> Batch:
    """Return the examples at `rows` as one batch."""
    starts, ends = split.offsets[rows], split.offsets[rows + 1]
    lengths = ends - starts
    mask = np.arange(int(lengths.max())) < lengths[:, None]
    tokens = np.zeros(mask.shape, dtype=np.int64)
    tokens[mask] = np.concatenate([split.tokens[a:b] for a, b in zip(starts, ends, strict=True)])
    learned, scores_from = None, 0
    if split.learned is not None:
        held = [split.learned[a:b] for a, b in zip(starts, ends, strict=True)]
        chosen = np.zeros(mask.shape, dtype=bool)
        chosen[mask] = np.concatenate(held)
        learned = torch.from_numpy(chosen).to(device)
        scores_from = max(int(chosen.any(0).argmax()) - 1, 0)
    labels = None if split.labels is None else torch.from_numpy(split.labels[rows]).to(device)
    return Batch(
        tokens=torch.from_numpy(tokens).to(device),
        mask=torch.from_numpy(mask.astype(np.int64)).to(device),
        labels=labels,
        rows=rows,
        split=split.name,
        learned=learned,
        scores_from=scores_from,
    )


def shuffled_batches(indices: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield batches of `indices` without end, reshuffled every epoch.

    The last batch of an epoch is smaller if `batch_size` does not divide their number.

    Raises:
        ValueError: if there are no examples, or `batch_size` is below 1.
    """
    if len(indices) == 0 or batch_size < 1:
        raise ValueError(f"cannot make batches of {batch_size} from {len(indices)} examples")
    while True:
        order = rng.permutation(np.asarray(indices, dtype=np.int64))
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]


def length_sorted_batches(
    split: EncodedSplit, tokens_per_batch: int, rows: Rows | None = None
) -> Iterator[Rows]:
    """Yield examples by length, in batches of at most `tokens_per_batch` padded tokens.

    Args:
        split: the examples.
        tokens_per_batch: that a batch has at most.
        rows: those that are wanted; all by default.
    """
    lengths = split.lengths
    order = np.argsort(lengths, kind="stable")
    if rows is not None:
        order = order[np.isin(order, rows)]
    start = 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or (end + 1 - start) * lengths[order[end]] > tokens_per_batch
        if full:
            yield order[start:end]
            start = end
