"""Prompts that start as words."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.data.tokens.token_cache import Tokenizer
from fedbytes.models.adapter import Adapter
from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class PromptText(Adapter):
    """An adapter whose prompt starts as words.

    Attributes:
        length: tokens of the prompt; None for as many as `text` has, or `USUAL` without a text.
        text: the initial prompt, truncated to `length`; missing tokens are drawn at random.
        ids: the initial prompt as token ids, to which `text` is encoded.
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
        """Return the adapter with its text encoded as ids."""
        if not self.text:
            return self
        ids = tokenizer([self.text], add_special_tokens=False)["input_ids"][0]
        return dataclasses.replace(self, text="", ids=tuple(ids))

    @property
    def tokens(self) -> int:
        """Number of tokens of the prompt."""
        return self.length or len(self.ids) or self.USUAL

    @property
    def positions(self) -> int:
        """Number of tokens of the prompt."""
        return self.tokens

    def start(self, rng: np.random.Generator, vocabulary: int) -> np.ndarray:
        """Return the ids of the initial prompt, int64 [length].

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        if self.ids and not 0 <= min(self.ids) <= max(self.ids) < vocabulary:
            raise ValueError(f"ids must be from 0 to {vocabulary - 1}, the model's vocabulary")
        drawn = rng.integers(vocabulary, size=self.tokens)
        given = self.ids[: self.tokens]
        drawn[: len(given)] = given
        return drawn
