"""How far what a layer reads of each token is from a space, beside how far tokens are apart."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.audits.text_leakage.input_matrices import InputGroup, token_vectors

_EVERY = 8
"""Of so many tokens one counts for the mean vector of a position."""


def token_residuals(model: Any, group: InputGroup, space: np.ndarray) -> Tensor:
    """Return how far each token at each position is from a space, float32 [positions, tokens].

    It is the squared distance of the unit vector that the layer reads from the space, over that
    from the mean of all tokens' there. What all tokens of a position have in common is soon in the
    space, and says nothing: a token near the mean is near the space as well, and has not been read
    for that. A token that was read has 0 but for noise, any other about 1.

    Args:
        model: a `fedbytes.models.TrainableModel`.
        group: the matrices whose gradients span the space.
        space: orthonormal columns [width, rank].
    """
    count = len(model.embedding)
    basis = torch.from_numpy(space).to(model.device, torch.float32)
    means = _position_means(model, group, count)
    found = torch.empty(group.positions, count)
    for part, vectors in token_vectors(model, group, count):
        unit = _unit(vectors)
        outside = (1 - (unit @ basis).square().sum(-1)).clamp(min=0)
        apart = (unit - means).square().sum(-1).clamp(min=1e-12)
        found[:, part] = (outside / apart).T.cpu()
    return found


def _position_means(model: Any, group: InputGroup, count: int) -> Tensor:
    """Return the mean unit vector at each position [positions, width]."""
    total, seen = torch.zeros(1), 0
    for part, vectors in token_vectors(model, group, count):
        unit = _unit(vectors[-part.start % _EVERY :: _EVERY])
        total, seen = total.to(unit.device) + unit.sum(0), seen + len(unit)
    return total / seen


def _unit(vectors: Tensor) -> Tensor:
    unit: Tensor = vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return unit
