"""The losses of several clients, each at its own trained vector and on its own batch, in one pass.

Frozen layers multiply the rows of all clients by their weights at once. Layers with trained tensors
multiply each client's rows by that client's, as batched products; no code of an architecture is
traced for it.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedbytes.data.tokens.encoded import EncodedSplit, Rows
from fedbytes.models.batching import Batch, make_batch, shuffled_batches
from fedbytes.models.side_by_side.stacked_vectors import StackedVectors


class StackedClients:
    """Clients whose trained vectors stand side by side in one model.

    Args:
        vectors: theirs, in place in the network that `score` runs.
        score: returns scores of a batch [rows, classes], or of next tokens from its
            `scores_from` on [rows, time, vocabulary].
        split: the training texts.
        device: where they are scored.
    """

    def __init__(
        self,
        vectors: StackedVectors,
        score: Callable[[Batch], Tensor],
        split: EncodedSplit,
        device: torch.device,
    ) -> None:
        self._stacked, self._score, self._split, self._device = vectors, score, split, device

    @property
    def vectors(self) -> list[nn.Parameter]:
        """Each client's vector [numel] and its gradient, None for one that rests."""
        return self._stacked.vectors

    @property
    def gradients(self) -> Tensor:
        """All clients' gradients [clients, numel], to be changed in place."""
        return self._stacked.gradients

    def batches(self, indices: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield the rows of the batches that `TrainableModel.batches` yields."""
        return shuffled_batches(indices, batch_size, rng)

    def losses(self, batches: Sequence[Rows]) -> Tensor:
        """Return the mean loss of a batch of each of the first clients, float32 [clients].

        Batches of fewer rows than the largest are padded with rows that have no part in the loss.

        Args:
            batches: rows of the training split, a batch for each client.
        """
        self._stacked.use(len(batches))
        rows, real = _padded(batches)
        batch = make_batch(self._split, rows, self._device)
        scores = self._score(batch)
        counted = torch.from_numpy(real).to(self._device)
        if batch.labels is None:
            return _token_losses(scores, batch, counted)
        each = F.cross_entropy(scores.float(), batch.labels, reduction="none")
        return (each.view(counted.shape) * counted).sum(1) / counted.sum(1)

    def backward(self, losses: Tensor) -> None:
        """Set each client's gradient to that of its own loss, of what `losses` returned last."""
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._stacked.collect()


def _padded(batches: Sequence[Rows]) -> tuple[Rows, np.ndarray]:
    """Return all rows, as many of each batch, and which of them count [batches, rows]."""
    sizes = np.array([len(batch) for batch in batches])
    most = int(sizes.max())
    rows = np.concatenate([np.resize(batch, most) for batch in batches])
    return rows, np.arange(most) < sizes[:, None]


def _token_losses(scores: Tensor, batch: Batch, counted: Tensor) -> Tensor:
    """Return each client's mean loss of next tokens [clients]; `counted` is [clients, rows]."""
    start, clients = batch.scores_from, len(counted)
    targets = batch.targets[:, start:].bool() & counted.reshape(-1, 1)
    wanted = targets[:, 1:]
    nll = F.cross_entropy(
        scores[:, :-1][wanted].float(), batch.tokens[:, start + 1 :][wanted], reduction="none"
    )
    each = nll.new_zeros(wanted.shape).masked_scatter(wanted, nll)
    return each.view(clients, -1).sum(1) / wanted.reshape(clients, -1).sum(1).clamp(min=1)
