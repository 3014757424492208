"""What an attack says a client's texts are, and how much of it is true."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fedbytes.models import ngram_f1, subsequence_f1


@dataclass(frozen=True)
class Guess:
    """What an attack makes of a message; None for what it makes no claim on.

    Attributes:
        tokens: those that it says are in the texts, the surest first.
        placed: pairs (token, position) that it says are in them, positions from 0.
        texts: whole texts, as rows of tokens.
        labels: the classes that it says the texts have.
    """

    tokens: Sequence[int] | None = None
    placed: frozenset[tuple[int, int]] | None = None
    texts: Sequence[Sequence[int]] | None = None
    labels: Sequence[int] | None = None


@dataclass(frozen=True)
class Truth:
    """The texts that a guess is scored by.

    Attributes:
        texts: rows of tokens, specials included.
        labels: their classes; None where they have none.
    """

    texts: Sequence[Sequence[int]]
    labels: Sequence[int] | None = None


def score_guess(guess: Guess, truth: Truth, special: frozenset[int]) -> dict[str, float]:
    """Return the share of the truth that a guess has, by metric; special tokens never count.

    `recall`, `precision` and `f1` are of the sets of tokens, so that what is there twice counts
    once; `placed` is the share of the truth's pairs (token, position); `rouge_1`, `rouge_2` and
    `rouge_l` are F1s of texts, each true one beside the guessed one that is most like it; `exact`
    is the share of true texts that are guessed to the last token. `label_recall` and
    `label_precision` are of the sets of classes. Metrics on which the guess makes no claim are
    left out.

    Example:
        >>> guess = Guess(tokens=[7, 8, 9], texts=[[7, 8, 9]])
        >>> score_guess(guess, Truth([[1, 7, 8]]), special=frozenset({1}))["recall"]
        1.0
    """
    rows = [[token for token in row if token not in special] for row in truth.texts]
    found: dict[str, float] = {}
    if guess.tokens is not None:
        said = set(guess.tokens) - special
        found |= _shares(said, {token for row in rows for token in row}, "recall", "precision")
        both = found["recall"] + found["precision"]
        found["f1"] = 2 * found["recall"] * found["precision"] / both if both else 0.0
    if guess.placed is not None:
        pairs = {(t, p) for row in truth.texts for p, t in enumerate(row) if t not in special}
        found["placed"] = len(pairs & guess.placed) / max(1, len(pairs))
    if guess.texts is not None:
        plain = [[token for token in row if token not in special] for row in guess.texts]
        found |= _likeness(rows, plain)
    if guess.labels is not None and truth.labels is not None:
        labels = {*guess.labels}, {*truth.labels}
        found |= _shares(*labels, "label_recall", "label_precision")
    return found


def _shares(said: set[int], true: set[int], recall: str, precision: str) -> dict[str, float]:
    shared = len(said & true)
    return {recall: shared / max(1, len(true)), precision: shared / max(1, len(said))}


def _likeness(rows: Sequence[Sequence[int]], said: Sequence[Sequence[int]]) -> dict[str, float]:
    scores = {
        "rouge_1": [max((ngram_f1(row, one, 1) for one in said), default=0.0) for row in rows],
        "rouge_2": [max((ngram_f1(row, one, 2) for one in said), default=0.0) for row in rows],
        "rouge_l": [max((subsequence_f1(row, one) for one in said), default=0.0) for row in rows],
        "exact": [float(any(list(row) == list(one) for one in said)) for row in rows],
    }
    return {name: mean_or_zero(values) for name, values in scores.items()}


def mean_or_zero(values: Iterable[float]) -> float:
    """Return the mean of some numbers, 0 of none."""
    found = list(values)
    return float(np.mean(found)) if found else 0.0
