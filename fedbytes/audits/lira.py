"""LiRA: the model is surer of a text than models that never saw it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.reference_audit import Confidence, ReferenceAudit
from fedbytes.federated import AUDITS
from fedbytes.registry import bounded

_LEAST_DEVIATION = 1e-12


@AUDITS.register("lira")
@dataclass(frozen=True)
class LikelihoodRatio(ReferenceAudit):
    """Take texts for members of which the model is surer than shadows are that never saw them.

    It is LiRA in its offline form (Carlini et al. 2022, arXiv:2112.03570). A Gaussian is fitted to
    the confidence φ = log(p / (1 - p)) that each text has under the references, all of them trained
    without it, and the score is how many deviations above their mean the model's own φ lies. The
    probability of less, Φ of that, puts texts in the same order, and rounds the surest to 1. Of
    φ = 1, 2 and 3 under three references and 4 under the model, the mean is 2, the deviation 1 and
    the score 2. The likelihood is that of the class, or of a mean target token: e^-loss.

    Attributes:
        deviation: `global` for one of all audited texts together, the root of the mean of their
            variances, which a few references estimate well; `own` for each text's.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"references": 2},
        {"of": "message", "references": 2, "clients": 2, "deviation": "own"},
    )

    references: int = bounded(8, least=2)
    deviation: Literal["global", "own"] = "global"

    def weigh(self, texts: Confidence, public: Confidence) -> Doubles:
        """Return how many deviations each text's confidence lies above that of the references."""
        out = _scaled(texts.out)
        variances = out.var(axis=0, ddof=1)
        spread = np.sqrt(variances if self.deviation == "own" else variances.mean())
        scores: Doubles = (_scaled(texts.own) - out.mean(axis=0)) / np.maximum(
            spread, _LEAST_DEVIATION
        )
        return scores


def _scaled(log_likelihoods: Doubles) -> Doubles:
    """Return log(p / (1 - p)), finite where p is 1 to the last bit."""
    below = np.minimum(log_likelihoods, -np.finfo(np.float64).tiny)
    scaled: Doubles = below - np.log(-np.expm1(below))
    return scaled
