"""Min-K%++: the least likely tokens of members, by what else the model might have written."""

from dataclasses import dataclass

import numpy as np

from fedbytes.audits.membership_parts.language_audit import LanguageAudit
from fedbytes.audits.membership_parts.lowest_share import mean_of_lowest
from fedbytes.audits.membership_parts.text_losses import TextLoss
from fedbytes.federated import AUDITS
from fedbytes.registry import bounded


@AUDITS.register("min_k_pp")
@dataclass(frozen=True)
class MinKPlusPlus(LanguageAudit):
    """Min-K% of normalised log-likelihoods (Zhang et al. 2025, arXiv:2404.02936).

    Each token's log-likelihood is set against the mean and the standard deviation of those that the
    model gives what it would draw itself at that place: -2 where the mean is -3 and the deviation
    is 0.5 becomes 2. A likely token among likelier ones then counts as unlikely. Where the
    deviation is 0 the token was certain, and counts 0.

    Attributes:
        k: the share of tokens.
    """

    k: float = bounded(0.2, above=0, most=1)

    def score(self, text: TextLoss, spelled: str) -> float:
        """Return the mean over the lowest normalised likelihoods."""
        away = text.log_likelihoods - text.means
        certain = text.deviations <= 0
        return mean_of_lowest(
            np.where(certain, 0.0, away / np.where(certain, 1, text.deviations)), self.k
        )
