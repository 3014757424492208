"""Near duplicates: of examples that say nearly the same, a client trains on the first alone."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.defenses.cleaner_parts.client_rows import row_tokens, train_split
from fedbytes.defenses.cleaner_parts.dropping import keep_others
from fedbytes.defenses.cleaner_parts.minhash import near_duplicates, sign_texts
from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded


@CLEANERS.register("duplicates")
@dataclass(frozen=True)
class Duplicates(Cleaner):
    """Keep the first of examples whose shares of common shingles say that they are near duplicates.

    MinHash (Broder 1997): of two texts with 18 shingles of tokens in common, of 20 that either has,
    a minimum of hashes is the same with probability 0.9, whatever their order. Texts at or above
    `threshold` by the share of equal minima are near duplicates, and so are those of a chain of
    such pairs. Candidates are those that agree in a whole band of four minima. A pair at 0.8 is
    missed by all 32 bands of 128 once in ten million times; the share itself has a standard error
    of 0.035. Rows are compared whatever their class.

    Attributes:
        threshold: share of equal minima, an estimate of the Jaccard similarity.
        shingle: tokens of a shingle.
        minima: hash functions, a multiple of four.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"threshold": 0.5, "shingle": 1})
    reads_texts: ClassVar[bool] = True
    uses_model: ClassVar[bool] = False

    threshold: float = bounded(0.8, above=0, most=1)
    shingle: int = bounded(2, least=1)
    minima: int = bounded(128, least=4, multiple=4)

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep the first of each group of near duplicates."""
        split = train_split(context, self.name)
        texts = [row_tokens(split, row) for row in indices]
        signatures = sign_texts(texts, self.shingle, self.minima)
        return keep_others(indices, near_duplicates(signatures, self.threshold)), state
