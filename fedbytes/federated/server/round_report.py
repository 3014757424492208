"""What a round reports when it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RoundReport:
    """Report of a round: who took part, and their mean training loss.

    Attributes:
        round: the round that has ended.
        clients: who took part.
        train_loss: their mean, weighted by examples; None where no client said its own.
        agreement: the geometry of the deltas that it decoded (see `delta_geometry`).
        dropped: hostile clients of whom a message was malformed or missing, so that nothing of
            theirs was used.
        reported: the examples and the training loss that each client said, of those who did.
        outcome: what the aggregation says of the round (`ServerSession.outcome`).
    """

    round: int
    clients: list[int]
    train_loss: float | None
    agreement: dict[str, float]
    dropped: tuple[int, ...] = ()
    reported: Mapping[int, tuple[int, float]] = field(default_factory=dict)
    outcome: Mapping[str, int] = field(default_factory=dict)
