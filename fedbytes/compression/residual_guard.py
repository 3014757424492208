"""Keep error feedback bounded: contracting codecs only, and a guard against divergence."""

import math
from dataclasses import dataclass

import torch

from fedbytes.compression.codec import Codec, codec_spec


def require_contracting(codec: Codec) -> None:
    """Raise a ValueError that names the remedy unless error feedback may wrap `codec`."""
    if not (codec.contracts or codec.bounded_error):
        raise ValueError(
            f"{codec_spec(codec)} does not contract, so error feedback would grow without bound; "
            "turn error feedback off, or use nearest rounding, more bits or a smaller step or block"
        )


class DivergedError(ValueError):
    """The residual of error feedback grows without bound."""


_FIRST_ROUNDS = 10  # set the scale; later updates may already diverge


@dataclass
class ResidualGuard:
    """Detect a residual that keeps growing instead of settling.

    A codec that contracts with delta keeps ||residual|| below about 2 (1 - delta) / delta times
    the updates' norm: a few hundred for top-k at density 0.001, a few for most others. The guard
    raises if the residual exceeds `limit` times the largest of the first ten updates and grew in
    each of the last `patience` rounds. Its state is plain numbers (`dataclasses.asdict`), ready for
    checkpoints.

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
        """Record the update and residual of a round; return residual norm over scale.

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
