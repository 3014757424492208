"""The deltas that attackers take for honest: their mean, their spread, their size."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fedbytes.federated import Deltas


def honest_rows(deltas: Deltas, attackers: Sequence[int]) -> list[Tensor]:
    """Return the honest deltas that attackers know of, by their clients' numbers.

    Those of all others, where they are given them; else, or if nobody else takes part in the round,
    what the attackers trained themselves.
    """
    others = [deltas[client].delta for client in sorted(deltas) if client not in attackers]
    return others or [deltas[client].delta for client in sorted(attackers)]


def mean_and_deviation(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each number [numel], float64.

    The deviation is that of the rows themselves, divided by their number; of one row it is 0.
    """
    total = torch.zeros(len(rows[0]), dtype=torch.float64)
    for row in rows:
        total += row
    mean = total / len(rows)
    squares = torch.zeros_like(mean)
    for row in rows:
        squares += (row - mean) ** 2
    return mean, (squares / len(rows)).sqrt()


def root_mean_square(delta: Tensor) -> float:
    """Return the root of the mean square of a delta's numbers."""
    norm = float(torch.linalg.vector_norm(delta, dtype=torch.float64))
    return norm / math.sqrt(max(1, len(delta)))
