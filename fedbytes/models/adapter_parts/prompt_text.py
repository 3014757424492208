"""Prompts that begin as words."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.data.tokens.token_cache import Tokenizer
from fedbytes.models.adapter import Adapter
from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class PromptText(Adapter):
    """An adapter whose prompt begins as words.

    Attributes:
        length: tokens of the prompt; None for as many as `text` has, or `USUAL` without a text.
        text: the prompt at the start, cut to `length`; what it lacks is drawn from the vocabulary.
        ids: the same as token ids; what `text` becomes.
    """

    USUAL: ClassVar[int] = 8

    length: int | None = bounded(None, least=1)
    text: str = ""
    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text and self.ids:
            raise ValueError("give either text or ids, not both")

    def read(self, tokenizer: Tokenizer) -> "PromptText":
        """Return the adapter with the ids of its text."""
        if not self.text:
            return self
        ids = tokenizer([self.text], add_special_tokens=False)["input_ids"][0]
        return dataclasses.replace(self, text="", ids=tuple(ids))

    @property
    def tokens(self) -> int:
        """How many tokens the prompt has."""
        return self.length or len(self.ids) or self.USUAL

    @property
    def positions(self) -> int:
        """The prompt's own."""
        return self.tokens

    def start(self, rng: np.random.Generator, vocabulary: int) -> np.ndarray:
        """Return the ids of the prompt at the start, int64 [length].

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        if self.ids and not 0 <= min(self.ids) <= max(self.ids) < vocabulary:
            raise ValueError(f"ids must be from 0 to {vocabulary - 1}, the model's vocabulary")
        drawn = rng.integers(vocabulary, size=self.tokens)
        given = self.ids[: self.tokens]
        drawn[: len(given)] = given
        return drawn
