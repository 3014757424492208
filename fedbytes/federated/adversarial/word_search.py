"""Greedy search over replacements of words, the most important words first."""

from collections.abc import Callable, Sequence

from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.adversarial.vocabulary import WordTokens

Replacements = Callable[[WordTokens], Sequence[WordTokens]]
"""Returns what could stand in the place of a word; an empty piece is the word left out."""


def replace_words(victim: Victim, most: int, replacements: Replacements) -> TextOutcome:
    """Replace words one by one until the model is fooled.

    A word is the more important the more the margin falls without it, which costs a query a word
    (Jin et al. 2020, arXiv:1907.11932). Of each in turn the replacement is taken that lowers the
    margin most, if any does.

    Args:
        victim: the model and the text.
        most: how many words may change.
        replacements: of a word.
    """
    pieces, words = list(victim.text.pieces), victim.text.words
    margin, changed = victim.margins([victim.text.tokens])[0], 0
    without = victim.margins([victim.join(_with(pieces, word, ())) for word in words])
    order = sorted(zip(without, words[: len(without)], strict=True))
    for _, word in order:
        if changed == most or victim.left < 1 or margin < 0:
            break
        options = [piece for piece in replacements(pieces[word]) if piece != pieces[word]]
        found = victim.margins([victim.join(_with(pieces, word, piece)) for piece in options])
        if found and min(found) < margin:
            margin = min(found)
            pieces[word] = options[found.index(margin)]
            changed += 1
    return TextOutcome(margin < 0, tuple(victim.join(pieces)), changed, victim.queries)


def _with(pieces: Sequence[WordTokens], place: int, piece: WordTokens) -> list[WordTokens]:
    return [*pieces[:place], piece, *pieces[place + 1 :]]
