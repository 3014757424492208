"""Mimic: attackers send what one honest client sends, so that it counts several times."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.attacks.honest_deltas import honest_rows
from fedbytes.federated import ATTACKS, Attack, Deltas, PluginState, StageContext


@ATTACKS.register("mimic")
@dataclass(frozen=True, kw_only=True)
class Mimic(Attack):
    """Attackers copy one honest client (Karimireddy et al. 2022, arXiv:2006.09365).

    Of honest deltas [1, 0], [0, 1] and [5, 5] two attackers send [5, 5] twice more. No rule can
    tell copies from an honest client, and where clients' data differ, the rest is voted down.

    The victim is who stands out most in the first round attacked: it has the largest part, from the
    mean, along the direction in which honest deltas spread most. Attackers stay with it, and take
    another in rounds without it. The paper learns that direction over some rounds before it chooses
    (recalled); of one round our victim may stand out by chance.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"knowledge": "own", "share": 0.3})

    knowledge: Literal["own", "all"] = "all"

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Send a copy of the victim's delta."""
        known = sorted(set(deltas) - set(attackers)) or sorted(attackers)
        if state.get("victim") not in known:
            state = {"victim": known[most_different(honest_rows(deltas, attackers))]}
        copied = deltas[state["victim"]].delta
        return {c: deltas[c].with_delta(copied.clone()) for c in attackers}, state


def most_different(rows: list[Tensor]) -> int:
    """Return the row with the largest part along the direction of the largest spread."""
    stacked = torch.stack(rows).double()
    centred = stacked - stacked.mean(0)
    _, vectors = np.linalg.eigh((centred @ centred.T).numpy())
    return int(np.argmax(np.abs(vectors[:, -1])))
