"""How well token frequencies alone predict: what every language model must beat."""

import numpy as np
import numpy.typing as npt

from fedbytes.data.tokens.encoded import EncodedSplit


def unigram_perplexity(train: EncodedSplit, test: EncodedSplit, vocabulary: int) -> float:
    """Return the perplexity of a unigram model on the tokens that a language model is tested on.

    Its probabilities are the training split's frequencies, one added to each count (Laplace).

    Args:
        train: what it counts.
        test: what it is tested on.
        vocabulary: number of tokens there are.
    """
    counts = np.bincount(train.tokens[target_mask(train)], minlength=vocabulary) + 1.0
    surprise = -np.log(counts / counts.sum())
    found = surprise[test.tokens[target_mask(test)]]
    return float(np.exp(found.mean())) if len(found) else 1.0


def target_mask(split: EncodedSplit) -> npt.NDArray[np.bool_]:
    """Return which tokens a language model has to predict: the learned ones but a row's first."""
    mask = np.ones(len(split.tokens), dtype=bool) if split.learned is None else split.learned.copy()
    mask[split.offsets[:-1][split.lengths > 0]] = False
    return mask
