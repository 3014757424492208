"""FoolsGold: clients whose past deltas point the same way count less."""

from dataclasses import dataclass

import numpy as np
import torch

from fedbytes.arrays import Doubles
from fedbytes.defenses.robust_math.counted_rule import all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import cosines, gram_matrix, mix
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload

_LARGEST = 1e30  # what hostile clients sent may sum up to infinity
_ROUNDING = 1e-9  # of a cosine: clients that differ by less are alike


@DEFENSES.register("foolsgold")
@dataclass(frozen=True)
class FoolsGold(Defense):
    """Weigh clients by how unlike all others the sum of their deltas is.

    Fung et al. 2020 (arXiv:1808.04866). Against many attackers with one aim, sybils: two with equal
    deltas have a cosine of 1 and weigh nothing; one whose largest cosine to another is 0.3 weighs
    1. It takes honest clients to differ more than attackers do, so it does nothing against one
    attacker alone, and where all clients are alike it counts each once.

    The server keeps a vector for each client that ever took part.
    """

    @property
    def remembers(self) -> bool:
        """Whether it compares deltas with earlier ones: it adds up each client's."""
        return True

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the weighted mean in the place of every delta."""
        past = dict(state)
        for upload in uploads:
            before = past.get(str(upload.client), torch.zeros_like(upload.delta))
            past[str(upload.client)] = (before + upload.delta).clamp(-_LARGEST, _LARGEST)
        alike = cosines(gram_matrix([past[str(upload.client)] for upload in uploads]))
        weights = sybil_weights(alike)
        mean = mix(deltas_of(uploads), (weights / weights.sum())[None])[0]
        return all_send(uploads, mean), past


def sybil_weights(alike: Doubles) -> Doubles:
    """Return the weight of each client [clients] in [0, 1]; ones if it would be 0 for all.

    Args:
        alike: the cosine of each two clients' summed deltas [clients, clients].
    """
    others = alike - np.eye(len(alike)) * 2  # nobody is alike to itself
    most = np.maximum(others.max(1), 0)  # who points away from all is like nobody
    pardon = most[:, None] / np.where(most == 0, 1e-12, most)[None]  # i more like others than j is
    others = np.where(most[None] > most[:, None], others * pardon, others)
    np.fill_diagonal(others, -2)
    free = np.clip(1 - others.max(1), 0, 1)
    if free.max() < _ROUNDING:
        return np.ones(len(alike))
    free = np.clip(free / free.max(), 1e-5, 0.99)
    weights: Doubles = np.clip(np.log(free / (1 - free)) + 0.5, 0, 1)
    return weights if weights.any() else np.ones(len(alike))
