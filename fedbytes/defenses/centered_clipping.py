"""Centred clipping: each client moves the last result by a bounded step."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import (
    distances_to,
    gram_matrix,
    mix,
    squared_distances,
)
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("centered_clipping")
@dataclass(frozen=True)
class CenteredClipping(Defense):
    """Move a centre by the mean of the clients' differences to it, each clipped to a length.

    Karimireddy et al. 2021 (arXiv:2012.10333). From a centre of 0 deltas 1, 2 and 900 at `tau: 3`
    move it by (1 + 2 + 3) / 3 = 2. Clients count once each.

    With a number for `tau`, the centre is the last round's result, 0 at first: no client moves the
    result by more than tau times iterations / n, however many attack. With `median` it is the
    round's most central delta, and tau the median distance to it in each step: that follows deltas
    of any length, and holds while attackers are fewer than half.

    Attributes:
        tau: the length that differences are clipped to, or `median`.
        iterations: steps of a round.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"tau": 10.0, "iterations": 3})

    tau: float | Literal["median"] = "median"
    iterations: int = bounded(1, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tau != "median" and not 0 < self.tau < math.inf:
            raise ValueError(f"tau must be above 0, or median, got {self.tau}")

    def tolerates(self, clients: int) -> int | None:
        """Return the largest minority at `median`; a fixed length is for any number."""
        return (clients - 1) // 2 if self.tau == "median" else None

    @property
    def remembers(self) -> bool:
        """Whether the centre is the last round's result."""
        return self.tau != "median"

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the moved centre in the place of every delta, and keep it."""
        points = [*deltas_of(uploads), state.get("centre", torch.zeros_like(uploads[0].delta))]
        gram = gram_matrix(points)
        weights = np.zeros(len(points))
        weights[len(uploads) if self.tau != "median" else _most_central(gram[:-1, :-1])] = 1
        for _ in range(self.iterations):
            weights = clipped_step(gram, weights, self.tau)
        centre = mix(points, weights[None])[0]
        return all_send(uploads, centre), {"centre": centre} if self.tau != "median" else {}


def _most_central(gram: Doubles) -> int:
    return int(np.argmin(np.sqrt(squared_distances(gram)).sum(1)))


def clipped_step(gram: Doubles, weights: Doubles, tau: float | Literal["median"]) -> Doubles:
    """Return the weights of a centre after a step.

    Args:
        gram: inner products of the clients' deltas and, last, of the first centre.
        weights: of the same, for the centre before the step.
        tau: the length that differences are clipped to, or `median` for that of their median.
    """
    lengths = distances_to(gram, weights)[:-1]
    most = float(np.median(lengths)) if tau == "median" else tau
    kept = most / np.maximum(lengths, max(most, 1e-300)) / len(lengths)
    after: Doubles = (1 - kept.sum()) * weights
    after[:-1] += kept
    return after
