"""Min-K%: the least likely tokens of members are not so unlikely."""

from dataclasses import dataclass

from fedbytes.audits.membership_parts.language_audit import LanguageAudit
from fedbytes.audits.membership_parts.lowest_share import mean_of_lowest
from fedbytes.audits.membership_parts.text_losses import TextLoss
from fedbytes.federated import AUDITS
from fedbytes.registry import bounded


@AUDITS.register("min_k")
@dataclass(frozen=True)
class MinK(LanguageAudit):
    """Score a text by its least likely tokens (Shi et al. 2024, arXiv:2310.16789).

    The score is the mean log-likelihood of the share `k` of tokens that are least likely, one token
    at least: of -0.1, -4, -0.2, -2 and -0.3 at k 0.4 it is -3.

    Attributes:
        k: the share of tokens.
    """

    k: float = bounded(0.2, above=0, most=1)

    def score(self, text: TextLoss, spelled: str) -> float:
        """Return the mean over the least likely tokens."""
        return mean_of_lowest(text.log_likelihoods, self.k)
