"""Spectral signatures: in each class, drop what lies furthest along the strongest direction."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.defenses.cleaner_parts.client_rows import by_class, pooled_features, train_split
from fedbytes.defenses.cleaner_parts.dropping import keep_others
from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded


@CLEANERS.register("spectral")
@dataclass(frozen=True)
class Spectral(Cleaner):
    """Drop 1.5 `share` of each class, those of the largest part along its top singular direction.

    Spectral signatures (Tran et al. 2018, arXiv:1811.00636). Examples that were planted in a class
    have features of their own, and so a part in the strongest direction of the class around its
    mean. At a share of 0.1 a class of 40 loses six examples. Features are those of the model that
    the client was sent. It drops as many from classes that nobody has touched.

    Attributes:
        share: the share of planted examples that is reckoned with, the paper's epsilon.
        from_round: the first round that it drops in.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"from_round": 1}, {"share": 0.3})
    reads_texts: ClassVar[bool] = True

    share: float = bounded(0.1, above=0, below=0.6)
    from_round: int = bounded(2, least=1)

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep what lies nearest to the mean of its class."""
        if context.round < self.from_round:
            return indices, state
        features = pooled_features(context, indices, self.name)
        dropped = []
        for places in by_class(train_split(context, self.name), indices, self.name):
            count = int(1.5 * self.share * len(places))
            if count:
                scores = outlier_scores(features[places])
                dropped.append(places[np.argsort(-scores, kind="stable")[:count]])
        return keep_others(indices, np.concatenate([*dropped, np.zeros(0, np.int64)])), state


def outlier_scores(features: np.ndarray) -> np.ndarray:
    """Return squared parts along the top right singular vector of centred features [examples]."""
    centred = features - features.mean(0)
    top = np.linalg.svd(centred, full_matrices=False)[2][0]
    scores: np.ndarray = (centred @ top) ** 2
    return scores
