"""Metrics of predicted classes."""

import numpy as np
import numpy.typing as npt


def accuracy(truth: npt.NDArray[np.int64], guess: npt.NDArray[np.int64]) -> float:
    """Return the fraction of correct predictions."""
    return float(np.mean(truth == guess))


def macro_f1(truth: npt.NDArray[np.int64], guess: npt.NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that occur in the truth or the predictions."""
    classes = int(max(truth.max(), guess.max())) + 1
    right = np.bincount(truth[truth == guess], minlength=classes)
    both = np.bincount(truth, minlength=classes) + np.bincount(guess, minlength=classes)
    there = both > 0
    return float(np.mean(2 * right[there] / both[there]))
