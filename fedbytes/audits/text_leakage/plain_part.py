"""The part of an update that selective encryption leaves in the clear, as an adversary has it."""

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated import Heard
from fedbytes.federated.aggregations.encrypted_sum.payloads import read_plain
from fedbytes.federated.aggregations.encrypted_sum.places import encrypted_places
from fedbytes.federated.protocol.integer_sums import IntegerSums


def plain_part(heard: Heard, held: Tensor) -> Tensor:
    """Return what a plain part says of a delta [numel], 0 where it is encrypted.

    Which coordinates it has follows from what clients hold, of which the server has the beginning
    alone: so this is no less than what the server can tell. Of a client that is weighed it is the
    delta times its weight.

    Args:
        heard: a message of kind `plain-part`.
        held: what clients hold [numel].

    Raises:
        ValueError: if it is cut.
    """
    sums, numel = IntegerSums(heard.uplink.codec, 1), heard.shared.layout.numel
    numbers = read_plain(heard.frame, sums.own_bits)
    share = (numel - numbers.size) / numel
    places = encrypted_places(share, held.numpy(), heard.shared)
    if numel - int(places.sum()) != numbers.size:
        raise ValueError(f"a plain part has {numbers.size} of {numel} numbers")
    whole = np.zeros(numel, np.uint64)
    whole[~places] = numbers
    image = sums.image(whole, 1, heard.shared)
    return torch.from_numpy(np.where(places, np.float32(0), image).astype(np.float32))
