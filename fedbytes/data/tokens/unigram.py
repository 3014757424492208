"""Perplexity of token frequencies alone, a bound that every language model must beat."""

import numpy as np
import numpy.typing as npt

from fedbytes.data.tokens.encoded import EncodedSplit


def unigram_perplexity(train: EncodedSplit, test: EncodedSplit, vocabulary: int) -> float:
    """Return the perplexity of a unigram model on the test split's target tokens.

    Its probabilities are the training split's frequencies with add-one (Laplace) smoothing.

    Args:
        train: split whose tokens are counted.
        test: split whose perplexity is returned.
        vocabulary: number of tokens.
    """
    counts = np.bincount(train.tokens[target_mask(train)], minlength=vocabulary) + 1.0
    surprise = -np.log(counts / counts.sum())
    found = surprise[test.tokens[target_mask(test)]]
    return float(np.exp(found.mean())) if len(found) else 1.0


def target_mask(split: EncodedSplit) -> npt.NDArray[np.bool_]:
    """Return the mask of tokens to predict: the learned ones except the first of each row."""
    mask = np.ones(len(split.tokens), dtype=bool) if split.learned is None else split.learned.copy()
    mask[split.offsets[:-1][split.lengths > 0]] = False
    return mask
