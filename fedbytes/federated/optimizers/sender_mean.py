"""The mean of each coordinate over the clients that sent it, as in the code of top-k methods."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.codec import Codec
from fedbytes.compression.layout import Layout, Shared
from fedbytes.federated.hooks import Upload

MeanOver = Literal["all", "senders"]
"""Of a coordinate: over all clients of the round, who did not send it counting as zero, or over
those who sent it."""


def mean_over_senders(uploads: list[Upload], codec: Codec | None, layout: Layout) -> Tensor:
    """Return the weighted mean of each coordinate over who sent it `[layout.numel]`; else zero.

    What is sent are coordinates of the vector, or of its transform (`Codec.find_sent`); what
    decodes to zero was not sent.

    Args:
        uploads: what each client's message decodes to, and its examples, which weight it.
        codec: the uplink's, which shows what was sent.
        layout: of the messages.
    """
    assert codec is not None
    shared, examples = Shared(layout), sum(upload.examples for upload in uploads)
    total, share = torch.zeros(layout.numel), np.zeros(layout.numel, dtype=np.float32)
    for upload in uploads:
        weight = upload.examples / examples
        total.add_(upload.delta, alpha=weight)
        share += np.float32(weight) * codec.find_sent(upload.delta.numpy(), shared)
    factors = np.divide(1, share, out=np.zeros_like(share), where=share > 0)
    return torch.from_numpy(codec.scale_sent(total.numpy(), factors, shared))
