"""ROUGE: how much two sequences share, of words or of tokens (Lin 2004)."""

from collections import Counter
from collections.abc import Hashable, Sequence


def ngram_f1(wanted: Sequence[Hashable], written: Sequence[Hashable], n: int) -> float:
    """Return the F1 of shared runs of `n` items, ROUGE-n: of `a b c` and `a b d` 2/3 and 1/2."""
    one, two = (_runs(sequence, n) for sequence in (wanted, written))
    if not one or not two:
        return float(one == two)
    return 2 * (one & two).total() / (one.total() + two.total())


def subsequence_f1(wanted: Sequence[Hashable], written: Sequence[Hashable]) -> float:
    """Return the F1 of the longest common subsequence, ROUGE-L: of `a b c` and `c a b` 2/3."""
    if not wanted or not written:
        return float(list(wanted) == list(written))
    row = [0] * (len(written) + 1)
    for item in wanted:
        diagonal = 0
        for column, other in enumerate(written, 1):
            above = row[column]
            row[column] = diagonal + 1 if item == other else max(above, row[column - 1])
            diagonal = above
    return 2 * row[-1] / (len(wanted) + len(written))


def _runs(sequence: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1))
