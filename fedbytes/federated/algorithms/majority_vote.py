"""Majority vote: each client votes with the signs of its delta, the server counts."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, Compatibility
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import SERVER_CLIENT
from fedbytes.federated.hooks import Upload


@ALGORITHMS.register("majority_vote")
@dataclass(frozen=True)
class MajorityVote(Averaging):
    """FedAvg whose mean is replaced by signSGD's majority vote (Bernstein et al. 2019, 1810.05291).

    Made for uplinks that send signs: `signsgd` (then `server_learning_rate` is the whole step) or
    `sign`, which also sends magnitudes. Any other codec works as well. A client has one vote,
    whatever the number of its examples. To send the vote itself back in one bit per coordinate,
    use a downlink of `sign`; ties, which are zero, are then sent as positive.

    Where the server sees sums alone the uplink must be `signsgd`, whose sum is the vote.
    """

    needs_each: ClassVar[bool] = True
    takes_signs: ClassVar[bool] = True

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Return why the vote cannot be counted with these links, or None."""
        if not compatibility.opens_each and compatibility.up_name == "signsgd":
            compatibility = replace(compatibility, opens_each=True)  # the sum is all it needs
        return super().refuses(compatibility)

    def aggregate(self, uploads: list[Upload]) -> Tensor:
        """Return the sign that most clients sent times the mean of the clients' magnitudes.

        A coordinate of exactly zero abstains, and a tie gives zero. The magnitude is the mean over
        all clients, voters for the other side too: with `sign` that of their scales, with
        `signsgd` 1. Of a sum of signs there is one upload, whose sign is the vote.
        """
        if [upload.client for upload in uploads] == [SERVER_CLIENT]:
            return uploads[0].delta.sign()
        votes = torch.zeros_like(uploads[0].delta)
        magnitude = torch.zeros_like(votes)
        for upload in uploads:
            votes.add_(upload.delta.sign())
            magnitude.add_(upload.delta.abs())
        return votes.sign_().mul_(magnitude.div_(len(uploads)))
