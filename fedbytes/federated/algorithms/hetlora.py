"""HetLoRA: factors of different ranks, padded by zeros and weighted by what was learned."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora import mean, shares
from fedbytes.federated.ranks import Ranks
from fedbytes.federated.server_optimizers import ServerState
from fedbytes.federated.tensors import Tensors, pack
from fedbytes.federated.turn import Turn
from fedbytes.models.lora_layers import LoraPair


@ALGORITHMS.register("hetlora")
@dataclass(frozen=True)
class HetLora(Ranks):
    """Truncation, zero padding and sparsity-weighted means (Cho et al. 2024, arXiv 2401.06432).

    A client's factors count by the Frobenius norm of their product over all layers, its head by
    its examples. A direction above a client's rank counts as zero there. The paper's pruning of a
    client's own rank is left out: ranks are dealt once.
    """

    def combine(
        self, turn: Turn, held: Tensor, uploads: list[Upload], state: ServerState
    ) -> tuple[Tensor, ServerState]:
        """Return the weighted means of the padded factors, and the mean head."""
        model, examples = turn.model, shares(uploads)
        pairs = self.pairs(model)
        ended = [self.trained(turn, held, upload) for upload in uploads]
        padded = [self._padded(model, tensors) for tensors in ended]
        norms = [_norm(pairs, tensors) for tensors in ended]
        factors = [n / sum(norms) for n in norms] if sum(norms) > 0 else examples
        heads = {*self.heads(model)}
        after = {
            name: mean(examples if name in heads else factors, [p[name] for p in padded])
            for name in model.layout.names
        }
        return pack(model.layout, after), state


def _norm(pairs: tuple[LoraPair, ...], tensors: Tensors) -> float:
    """Return the Frobenius norm of all products, without forming them: tr(B^T B A A^T)."""
    squares = 0.0
    for pair in pairs:
        a, b = tensors[pair.a].double(), tensors[pair.b].double()
        squares += float(torch.sum((b.T @ b) * (a @ a.T)))
    return math.sqrt(max(squares, 0.0))
