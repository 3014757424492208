"""The mean of each coordinate over the clients that sent it, as in the code of top-k methods."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.codec import Codec
from fedbytes.compression.layout import Layout, Shared

MeanOver = Literal["all", "senders"]
"""Of a coordinate: over all clients of the round, who did not send it counting as zero, or over
those who sent it."""


def mean_over_senders(
    deltas: list[Tensor], weights: list[float], codec: Codec, layout: Layout
) -> Tensor:
    """Return the weighted mean of each coordinate over who sent it `[layout.numel]`; else zero.

    What is sent are coordinates of the vector, or of its transform (`Codec.find_sent`); what
    decodes to zero was not sent.

    Args:
        deltas: what each client's message decodes to.
        weights: of the clients; they add up to 1.
        codec: the uplink's, which shows what was sent.
        layout: of the messages.
    """
    shared = Shared(layout)
    total = torch.stack(deltas).mul(torch.tensor(weights)[:, None]).sum(0)
    share = np.zeros(layout.numel, dtype=np.float32)
    for delta, weight in zip(deltas, weights, strict=True):
        share += np.float32(weight) * codec.find_sent(delta.numpy(), shared)
    factors = np.divide(1, share, out=np.zeros_like(share), where=share > 0)
    return torch.from_numpy(codec.scale_sent(total.numpy(), factors, shared))
