"""Codec-aware: attackers choose what arrives, behind their codec."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fedbytes.attacks.honest_deltas import honest_rows, mean_and_deviation
from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext
from fedbytes.registry import bounded

_SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


@ATTACKS.register("codec_aware")
@dataclass(frozen=True, kw_only=True)
class CodecAware(Attack):
    """Attackers try deltas on their codec, and send the one whose image does the most harm.

    Harm is the part of what the server decodes along the opposite of the honest mean, at a norm of
    `length` times that of the attacker's own honest message. They try the opposite of the mean, its
    signs, and its signs on the numbers that honest clients move most. The opposite of [4, -1, 1]
    through top-1 arrives as [-4, 0, 0]; through a sign codec all three signs are turned. Attackers
    leave their error feedback out, so that nothing of earlier messages joins in.

    Attributes:
        length: the norm of what arrives, in that of an honest message of the same client.
    """

    keeps_memory: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"length": 5.0, "knowledge": "own"})

    length: float = bounded(1.0, above=0)
    knowledge: Literal["own", "all"] = "all"

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Choose for each attacker among the candidates, each at the length that arrives."""
        mean, _ = mean_and_deviation(honest_rows(deltas, attackers))
        made = {}
        for client in attackers:
            arrives = _arrival(context, client)
            budget = self.length * _norm(arrives(deltas[client].delta))
            best, harm = -mean, -math.inf
            for candidate in candidates(mean):
                sent = _at_length(candidate, budget, arrives)
                image = arrives(sent).double()
                norm = max(_norm(image), 1e-300)
                found = -float(torch.dot(image, mean)) * min(1.0, budget / norm)
                if found > harm:
                    best, harm = sent, found
            made[client] = deltas[client].with_delta(best.float())
        return made, state


def candidates(mean: Tensor) -> Iterator[Tensor]:
    """Yield what attackers try, by the honest mean [numel]: its opposite and parts of its signs."""
    yield -mean
    order = torch.argsort(mean.abs(), descending=True, stable=True)
    for share in _SHARES:
        kept = order[: max(1, round(share * len(mean)))]
        signs = torch.zeros_like(mean)
        signs[kept] = -torch.sign(mean[kept])
        yield signs


def _arrival(context: StageContext, client: int) -> Any:
    """Return what the server makes of a delta of the client; itself where nothing is known."""
    if context.wire is None:
        return lambda delta: delta.float()
    wire = context.wire
    return lambda delta: wire.arrives(client, delta.float())


def _at_length(candidate: Tensor, budget: float, arrives: Any) -> Tensor:
    """Return the candidate made as long as its image is to be; codecs need not keep lengths."""
    sent = candidate * (budget / max(_norm(candidate), 1e-300))
    image = _norm(arrives(sent))
    return sent * (budget / image) if image > 0 else sent


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector, dtype=torch.float64))
