"""Norm clipping: no client moves the mean by more than a bounded step."""

import math
import statistics
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fedbytes.federated import (
    DEFENSES,
    Defense,
    PluginState,
    StageContext,
    Upload,
    cap_claims,
)


@DEFENSES.register("norm_clip")
@dataclass(frozen=True)
class NormClip(Defense):
    """Shorten each delta to a norm, and let none count for more than the median client.

    The norm bounding of Sun et al. 2019 (arXiv:1911.07963), by a fixed norm or the round's median.
    Norms 1, 2 and 100 at `norm: 1.5` become 1, 1.5 and 1.5; at `norm: median` 1, 2 and 2. Shorter
    deltas stay as they are, bit for bit. A client says itself how many examples it has: 50, 60 and
    10^9 become 50, 60 and 60, else the third would be the mean.

    With equal weights, f attackers among n move the mean by at most 2 f C / n of a norm C.

    Attributes:
        norm: L2 norm that deltas are shortened to, or `median` for that of the round's deltas.
    """

    one_layout: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"norm": 0.5})

    norm: float | Literal["median"] = "median"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm != "median" and not 0 < self.norm < math.inf:
            raise ValueError(f"norm must be above 0, or median, got {self.norm}")

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Shorten the deltas, and cap what clients say that they have."""
        norms = [_norm(upload.delta) for upload in uploads]
        most = statistics.median(norms) if self.norm == "median" else self.norm
        shortened = [
            replace(upload, delta=upload.delta * (most / norm)) if norm > most else upload
            for upload, norm in zip(uploads, norms, strict=True)
        ]
        return cap_claims(shortened), state


def _norm(delta: Tensor) -> float:
    return float(torch.linalg.vector_norm(delta, dtype=torch.float64))
