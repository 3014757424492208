"""RMIA: a text counts more for a member than most public texts would."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.reference_audit import Confidence, ReferenceAudit
from fedbytes.federated import AUDITS
from fedbytes.registry import bounded


@AUDITS.register("rmia")
@dataclass(frozen=True)
class RelativeMembership(ReferenceAudit):
    """Take texts for members whose likelihood rose more than that of public texts.

    It is RMIA in its offline form (Zarifzadeh, Liu and Shokri 2024, arXiv:2312.03262). A text's
    ratio is p(x | model) / p(x), with p(x) = ½ ((1 + a) p_out(x) + 1 - a) and p_out the mean of
    the references, none of which was trained on it. The score is the share of public texts z that
    nobody trained on with ratio(x) ≥ `gamma` ratio(z). Of p(x | model) 0.9 and p_out 0.5 with a =
    0.2, p(x) is 0.7 and the ratio 1.286; two public texts of ratios 0.6 and 0.9 lie below half of
    that and above it, so that at gamma 2 the share is 0.5. Texts of one share stand in the order of
    their ratios, as they would with a larger population: a hundred public texts are too few for one
    false alarm in a hundred, and all hits there would be lost in ties. So the AUC and hits are
    those of the ratio, and `population` and `gamma` say what a share means. The likelihood is that
    of the class, or of a mean target token: e^-loss.

    Attributes:
        population: how many public texts it is compared with; at most half of all.
        gamma: how many times larger than that of a public text a ratio must be.
        a: how far p_out is believed, from 0 to 1; lower values allow for p(x) to be higher, as
            models that were trained on x give more. At 1 it is p_out.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"population": 6},
        {"of": "message", "references": 1, "clients": 2, "population": 4},
    )

    population: int = bounded(100, least=1)
    gamma: float = bounded(2.0, least=1)
    a: float = bounded(0.3, least=0, most=1)

    @property
    def held_back(self) -> int:
        """The population, on which no reference is trained."""
        return self.population

    def weigh(self, texts: Confidence, public: Confidence) -> Doubles:
        """Return of each text the share of the population that it lies above, and its place there.

        A step of the share is 1 / population; within it texts stand by ratio / (1 + ratio).
        """
        own, beside = self._log_ratios(texts), np.sort(self._log_ratios(public))
        above = np.searchsorted(beside, own - np.log(self.gamma), "right")
        scores: Doubles = (above + expit(own)) / len(beside)
        return scores

    def _log_ratios(self, texts: Confidence) -> Doubles:
        out = np.exp(texts.out).mean(axis=0)
        prior = ((1 + self.a) * out + 1 - self.a) / 2
        ratios: Doubles = texts.own - np.log(np.maximum(prior, np.finfo(np.float64).tiny))
        return ratios
