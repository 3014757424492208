"""FlexLoRA: the mean of the products, cut by singular values to each client's rank."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.lora.client_ranks import Ranks
from fedbytes.federated.lora.lora_averaging import mean, shares, stack, top_factors
from fedbytes.federated.lora.named_tensors import pack_tensors, unpack_tensors
from fedbytes.federated.optimizers.server_optimizers import ServerMemory


@ALGORITHMS.register("flexlora")
@dataclass(frozen=True)
class FlexLora(Ranks):
    """Products are averaged, and split again for each rank (Bai et al. 2024, arXiv 2402.11505).

    The server holds the best approximation of the mean product that the adapter's rank allows, as
    B = U S and A = V^T: a client's first directions are the best of its own rank. B so carries the
    size, as at the beginning of a LoRA. What the adapter's rank cannot hold is lost.
    """

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the factors of the mean product, and the mean head."""
        weights = shares(uploads)
        ended = [self.trained(context, held, upload) for upload in uploads]
        layout = context.model.layout
        after = {
            name: mean(weights, [e[name] for e in ended]) for name in self.heads(context.model)
        }
        drawn = unpack_tensors(layout, context.model.draw_initial(context.seed))
        for pair in self.pairs(context.model):
            product = stack(weights, [(e[pair.b], e[pair.a]) for e in ended])
            b, a = top_factors(product, pair.rank)
            # Directions that nobody trained begin as LoRA does: A drawn, B zero.
            after[pair.a] = torch.cat((a, drawn[pair.a][len(a) :]))
            after[pair.b] = torch.nn.functional.pad(b, (0, pair.rank - len(a)))
        return pack_tensors(layout, after), state
