"""Words in rows of tokens, whatever the tokenizer, and which tokens can stand for which."""

import string
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

WordTokens = tuple[int, ...]
"""The tokens of a word, or of what stands between words."""


class Vocabulary:
    """What a tokenizer's tokens are: where words begin, which have letters, which are special.

    It is found out by decoding, so that WordPiece, byte-level BPE and SentencePiece are one.

    Args:
        tokenizer: of Hugging Face.
        size: number of tokens that the model has vectors of.
    """

    def __init__(self, tokenizer: Any, size: int) -> None:
        self.tokenizer, self.size = tokenizer, min(size, len(tokenizer))
        self.special = frozenset(map(int, tokenizer.all_special_ids))

    @cached_property
    def _surfaces(self) -> list[str]:
        """Each token as it is read after a letter: with the space before it, if it has one."""
        anchor = self.tokenizer("a", add_special_tokens=False)["input_ids"][-1]
        pairs = [[anchor, token] for token in range(self.size)]
        front = len(self._decode([[anchor]])[0])
        return [text[front:] for text in self._decode(pairs)]

    @cached_property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Whether a token begins a word, bool [size]; others continue one."""
        return np.array([text[:1].isspace() for text in self._surfaces])

    @cached_property
    def _stands_alone(self) -> npt.NDArray[np.bool_]:
        """Whether a token is between words: special, or nothing but ASCII punctuation."""
        found = np.array(
            [
                {*text.strip()} <= {*string.punctuation} and text.strip() != ""
                for text in self._surfaces
            ]
        )
        found[[token for token in self.special if token < self.size]] = True
        return found

    @cached_property
    def spells(self) -> npt.NDArray[np.bool_]:
        """Whether a token is letters or digits and nothing else, bool [size]."""
        words = [text.strip() for text in self._surfaces]
        found = np.array([word.isalnum() for word in words])
        found[[token for token in self.special if token < self.size]] = False
        return found

    @cached_property
    def _words(self) -> npt.NDArray[np.int64]:
        """A number for each token's text without case, int64 [size]."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(text.lower(), len(numbers)) for text in self._surfaces])

    def stands_for(self, token: int) -> npt.NDArray[np.bool_]:
        """Return which tokens could be in a token's place, bool [size]: all but it and its case.

        They spell something, and begin a word if it does.
        """
        alike = self.starts == self.starts[token]
        found: npt.NDArray[np.bool_] = self.spells & alike & (self._words != self._words[token])
        return found

    def pieces(self, tokens: Sequence[int]) -> tuple[WordTokens, ...]:
        """Return a row of tokens as words and what is between them; together they are the row."""
        found: list[list[int]] = []
        fresh = True
        for token in map(int, tokens):
            alone = bool(self._stands_alone[token])
            if fresh or alone or self.starts[token]:
                found.append([token])
            else:
                found[-1].append(token)
            fresh = alone
        return tuple(map(tuple, found))

    def is_word(self, piece: WordTokens) -> bool:
        """Return whether a piece has a letter or a digit."""
        return piece[0] not in self.special and any(char.isalnum() for char in self.spell(piece))

    def spell(self, piece: WordTokens) -> str:
        """Return the text of a piece, without spaces around it."""
        return self._decode([piece])[0].strip()

    def encode(self, word: str, like: WordTokens) -> WordTokens:
        """Return a word's tokens in another's place, with a space before it if that had one."""
        spaced = word if not self._surfaces[like[0]][:1].isspace() else f" {word}"
        return tuple(self.tokenizer(spaced, add_special_tokens=False)["input_ids"])

    def _decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        found: list[str] = self.tokenizer.batch_decode(
            [list(row) for row in rows], clean_up_tokenization_spaces=False
        )
        return found
