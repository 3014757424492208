"""Scores of members and of others: as a checkpoint takes them, and of several clients together."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fedbytes.arrays import Doubles

Scored = tuple[Doubles, Doubles]
"""Scores of members and of others."""


def packed_scores(scored: Scored) -> list[Tensor]:
    """Return scores as a checkpoint takes them."""
    return [torch.from_numpy(np.asarray(one, dtype=np.float64)) for one in scored]


def unpacked_scores(packed: Sequence[Tensor]) -> Scored:
    """Return what `packed_scores` was given."""
    return packed[0].numpy(), packed[1].numpy()


def joined_scores(several: Sequence[Scored]) -> Scored:
    """Return the scores of several clients together."""
    return np.concatenate([one for one, _ in several]), np.concatenate([two for _, two in several])
