import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.data.encode import Tokenizer
from fedbytes.models.adapter import ADAPTERS, Adapter, Initial
from fedbytes.models.prompting import read_first, vocabulary_of

LENGTH = 8
NAME = "prompt_ids"


@dataclass(frozen=True)
class PromptText(Adapter):
    """An adapter whose prompt begins as words.

    Attributes:
        length: tokens of the prompt; None for as many as `text` has, or 8 without a text.
        text: the prompt at the start, cut to `length`; what it lacks is drawn from the vocabulary.
        ids: the same as token ids; what `text` becomes.
    """

    length: int | None = None
    text: str = ""
    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.length is not None and self.length < 1:
            raise ValueError(f"length must be at least 1, got {self.length}")
        if self.text and self.ids:
            raise ValueError("give either text or ids, not both")

    def read(self, tokenizer: Tokenizer) -> "PromptText":
        """Return the adapter with the ids of its text."""
        if not self.text:
            return self
        ids = tokenizer([self.text], add_special_tokens=False)["input_ids"][0]
        return dataclasses.replace(self, text="", ids=tuple(ids))

    def start(self, rng: np.random.Generator, vocabulary: int) -> np.ndarray:
        """Return the ids of the prompt at the start, int64 [length].

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        if self.ids and not 0 <= min(self.ids) <= max(self.ids) < vocabulary:
            raise ValueError(f"ids must be from 0 to {vocabulary - 1}, the model's vocabulary")
        length = self.length or len(self.ids) or LENGTH
        drawn = rng.integers(vocabulary, size=length)
        given = self.ids[:length]
        drawn[: len(given)] = given
        return drawn


@ADAPTERS.register("discrete_prompt")
@dataclass(frozen=True)
class DiscretePrompt(PromptText):
    """A prompt of tokens of the vocabulary in front of every text; no weight is trained.

    The trained vector holds the tokens' ids, exact in float32. They have no gradient: an algorithm
    such as `prompt_search` finds them.
    """

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Put the prompt in front of what the model reads."""
        vocabulary = vocabulary_of(backbone)
        embeddings: nn.Module = backbone.get_input_embeddings()  # type: ignore[operator]

        def draw(rng: np.random.Generator, _like: Tensor) -> Tensor:
            return torch.from_numpy(self.start(rng, vocabulary).astype(np.float32))

        def prompt() -> Tensor:
            if torch.is_grad_enabled():
                raise ValueError(
                    "adapter 'discrete_prompt' holds words, which have no gradient: use an "
                    "algorithm that needs none, such as prompt_search"
                )
            found: Tensor = embeddings(backbone.get_parameter(NAME).round().long())
            return found

        like = draw(np.random.default_rng(0), torch.empty(0))
        device = next(backbone.parameters()).device
        backbone.register_parameter(NAME, nn.Parameter(like.to(device)))
        read_first(backbone, prompt)
        return {NAME: draw}
