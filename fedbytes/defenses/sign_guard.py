"""SignGuard: clients whose signs are unlike the others' are left out, and lengths are bounded."""

import statistics
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import vote_once
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("sign_guard")
@dataclass(frozen=True)
class SignGuard(Defense):
    """Keep clients of usual length and of usual shares of signs (Xu et al. 2022, arXiv:2109.05872).

    Of each delta it takes the shares of positive, zero and negative numbers, on a random part of
    the coordinates, and keeps the largest cluster of these by mean shift. Of deltas of median norm
    1 those between `shortest` and `longest` stay, and longer ones than the median are cut to it.

    An honest delta with 60 % positive numbers and one turned around, with 40 %, are in two
    clusters; of deltas with half of each sign, turning around is not seen.

    Attributes:
        shortest: the least norm, in that of the median client.
        longest: the largest norm, in the same.
        part: the share of coordinates whose signs are counted.
        bandwidth: how far apart shares of signs may be in one cluster.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"part": 1.0})

    shortest: float = bounded(0.1, least=0, most=1)
    longest: float = bounded(3.0, least=1)
    part: float = bounded(0.1, above=0, most=1)
    bandwidth: float = bounded(0.1, above=0)

    def tolerates(self, clients: int) -> int:
        """Return the largest minority."""
        return (clients - 1) // 2

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Keep clients that pass both tests, and cut long deltas to the median norm."""
        norms = [float(torch.linalg.vector_norm(u.delta, dtype=torch.float64)) for u in uploads]
        median = statistics.median(norms)
        usual = largest_cluster(self._signs(uploads, context), self.bandwidth)
        kept = [
            place
            for place, norm in enumerate(norms)
            if place in usual and self.shortest * median <= norm <= self.longest * median
        ]
        chosen = vote_once([uploads[place] for place in kept or sorted(usual)])
        return [_cut(upload, median) for upload in chosen], state

    def _signs(self, uploads: list[Upload], context: StageContext) -> Doubles:
        """Return each client's shares of positive, zero and negative numbers [clients, 3]."""
        numel = len(uploads[0].delta)
        count = max(1, round(self.part * numel))
        drawn = torch.from_numpy(np.sort(context.rng().choice(numel, count, replace=False)))
        shares = []
        for upload in uploads:
            seen = upload.delta[drawn]
            positive, zero = int((seen > 0).sum()), int((seen == 0).sum())
            shares.append([positive, zero, count - positive - zero])
        return np.array(shares) / count


def _cut(upload: Upload, norm: float) -> Upload:
    """Return an upload whose delta is no longer than `norm`."""
    own = float(torch.linalg.vector_norm(upload.delta, dtype=torch.float64))
    return upload.with_delta(upload.delta * (norm / own)) if own > norm else upload


def largest_cluster(points: Doubles, bandwidth: float) -> set[int]:
    """Return which points [points, numbers] are in the largest cluster, by mean shift.

    Each point climbs to the mean of the points within the bandwidth around it until it rests;
    those that come to rest within the bandwidth of each other are one cluster.
    """
    places = points.copy()
    for _ in range(100):
        near = np.linalg.norm(places[:, None] - points[None], axis=-1) <= bandwidth
        moved = near.astype(np.float64) @ points / near.sum(1, keepdims=True)
        if np.allclose(moved, places, rtol=0, atol=1e-12):
            break
        places = moved
    close = np.linalg.norm(places[:, None] - places[None], axis=-1) <= bandwidth
    return set(np.flatnonzero(close[np.argmax(close.sum(1))]).tolist())
