"""Zlib: a low loss says more of a text that does not compress."""

import zlib
from dataclasses import dataclass

from fedbytes.audits.membership_parts.language_audit import LanguageAudit
from fedbytes.audits.membership_parts.text_losses import TextLoss
from fedbytes.federated import AUDITS


@AUDITS.register("zlib")
@dataclass(frozen=True)
class Zlib(LanguageAudit):
    """Take texts for members whose loss is low for how badly they compress (Carlini et al. 2021).

    arXiv:2012.07805. The score is minus the sum of a text's token losses, over the bytes that zlib
    makes of it: repetitive texts have a low loss under any model. Losses of 20 nats in sum score
    -0.2 for a text of 100 compressed bytes, and -0.4 for one of 50.
    """

    def score(self, text: TextLoss, spelled: str) -> float:
        """Return minus the loss for each compressed byte."""
        return float(text.log_likelihoods.sum()) / len(zlib.compress(spelled.encode()))
