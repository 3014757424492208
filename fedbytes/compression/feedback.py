"""Error feedback: what a codec lost this round is added to the next update of the same sender."""

import math
from dataclasses import dataclass

import torch

from .core import Codec, Shared, codec_spec


def encode_with_feedback(
    codec: Codec, x: torch.Tensor, residual: torch.Tensor | None, shared: Shared
) -> tuple[bytes, torch.Tensor, torch.Tensor]:
    """Encode x plus the sender's residual, and return what was lost as the next residual.

    EF14 of Seide et al. 2014 (1-bit SGD). The state is the residual tensor alone: keep it per
    sender and checkpoint it. Neither x nor the residual is changed.

    Args:
        codec: a codec that contracts.
        x: float32 [numel], this round's update.
        residual: float32 [numel] from the last call, or None at first.
        shared: what both ends know.

    Returns:
        The bytes, the vector that the receiver decodes, and the new residual.

    Raises:
        ValueError: if the codec does not contract, or the sum is not finite.
    """
    require_contracting(codec)
    if residual is not None and residual.shape != x.shape:
        raise ValueError(f"residual has shape {tuple(residual.shape)}, x {tuple(x.shape)}")
    target = x if residual is None else x + residual.to(x.device)
    data = codec.encode(target, shared)
    decoded = codec.decode(data, shared).to(x.device)
    return data, decoded, target - decoded


def require_contracting(codec: Codec) -> None:
    """Raise a ValueError that names the remedy unless error feedback may wrap `codec`."""
    if not codec.contracts:
        raise ValueError(
            f"{codec_spec(codec)} does not contract, so error feedback would grow without bound; "
            "turn error feedback off, or use nearest rounding, more bits or a smaller step or block"
        )


class DivergedError(ValueError):
    """The residual of error feedback grows without bound."""


_FIRST_ROUNDS = 10  # whose updates set the scale; later ones may be carried along by divergence


@dataclass
class ResidualGuard:
    """Notice a residual that grows round after round instead of settling.

    A codec that contracts with delta keeps ||residual|| below about 2 (1 - delta) / delta times
    the updates' norm: a few hundred for top-k at density 0.001, a few for most others. The guard
    raises once the residual is above `limit` times the largest of the first ten updates and has
    grown in each of the last `patience` rounds. Its state is plain numbers
    (`dataclasses.asdict`), so it can be checkpointed.

    Attributes:
        limit: residual norm over update norm at which growth is an error.
        patience: rounds of growth in a row before it is.
        scale: largest norm of the first ten updates.
        rounds: rounds seen.
        last: residual norm of the last round.
        growing: rounds in a row in which the residual grew.
    """

    limit: float = 1000.0
    patience: int = 5
    scale: float = 0.0
    rounds: int = 0
    last: float = 0.0
    growing: int = 0

    def check(self, x: torch.Tensor, residual: torch.Tensor) -> float:
        """Take this round's update and new residual in; return residual norm over scale.

        Raises:
            DivergedError: if the residual is not finite or grows without bound.
        """
        norm = float(torch.linalg.vector_norm(residual, dtype=torch.float64))
        if self.rounds < _FIRST_ROUNDS:
            size = float(torch.linalg.vector_norm(x, dtype=torch.float64))
            self.scale = max(self.scale, size)
        self.rounds += 1
        self.growing = self.growing + 1 if norm > self.last else 0
        self.last = norm
        ratio = norm / self.scale if self.scale > 0 else 0.0
        over = ratio > self.limit and self.growing >= self.patience
        if not math.isfinite(norm) or over:
            raise DivergedError(
                f"error feedback diverges: the residual's norm {norm:.4g} is {ratio:.4g} times "
                f"the first updates' {self.scale:.4g} (limit {self.limit:g}) and grew for "
                f"{self.growing} rounds; use a codec with more bits or a higher density"
            )
        return ratio
