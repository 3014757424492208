"""FLTrust: clients count by how much they agree with what the server trained itself."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from fedbytes.defenses.robust_math.counted_rule import all_send, deltas_of
from fedbytes.defenses.robust_math.gram_matrix import cosines, gram_matrix, mix
from fedbytes.federated import DEFENSES, Defense, PluginState, StageContext, Upload
from fedbytes.registry import bounded


@DEFENSES.register("fltrust")
@dataclass(frozen=True)
class FLTrust(Defense):
    """Weigh each delta by its cosine with the server's own, and give it that one's length.

    Cao et al. 2021 (arXiv:2012.13995). The server trains on `root_examples` rows that it trusts,
    as a client does. Deltas of cosine 0.8, 0.4 and -0.9 to its own count 2/3, 1/3 and not at all.
    If none points its way, the round moves nothing. Whatever clients send, a round moves the model
    by no more than the server's own training would.

    The rows are drawn once a run, of those that honest clients hold. They stay on the server: they
    cross in no message, and no byte is counted for them. The server's training is in the seconds
    of aggregation.

    Attributes:
        root_examples: how many rows the server has, all that there are if these are fewer.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"root_examples": 20})

    root_examples: int = bounded(100, least=1)

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the weighted mean in the place of every delta."""
        assert context.trusted is not None
        own, deltas = context.trusted(self.root_examples), deltas_of(uploads)
        if own.shape != deltas[0].shape:
            raise ValueError(
                f"defense {self.name!r} trains {len(own)} numbers on the server, and clients send "
                f"{len(deltas[0])}: take another algorithm or defense"
            )
        gram = gram_matrix([*deltas, own])
        trust = np.maximum(cosines(gram)[-1, :-1], 0.0)
        if not trust.any():
            return all_send(uploads, torch.zeros_like(own)), state
        norms = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        weights = trust / trust.sum() * norms[-1] / norms[:-1]
        return all_send(uploads, mix(deltas, weights[None])[0]), state
