"""Initial soft prompts: given words, drawn words, or noise of the same size."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.models.adapter import Initial
from fedbytes.models.adapter_parts.prompt_text import PromptText


@dataclass(frozen=True)
class SoftPrompt(PromptText):
    """A prompt of vectors.

    Attributes:
        init: `vocab`: tokens drawn from the vocabulary; `text`: those of `text`; `random`: noise
            of the size of tokens' vectors. A given text always comes before drawn tokens.
    """

    USUAL: ClassVar[int] = 20

    init: Literal["vocab", "text", "random"] = "vocab"

    def __post_init__(self) -> None:
        super().__post_init__()
        given = bool(self.text or self.ids)
        if self.init == "text" and not given:
            raise ValueError("init=text requires text: set adapter.text")
        if self.init == "random" and given:
            raise ValueError(f"init=random cannot be combined with text={self.text!r}; remove one")

    def words(self, backbone: Any) -> Initial:
        """Return the initial value of a prompt of input vectors [length, hidden]."""
        embeddings: nn.Module = backbone.get_input_embeddings()
        count = int(backbone.config.vocab_size)

        def draw(rng: np.random.Generator, like: Tensor) -> Tensor:
            ids = torch.from_numpy(self.start(rng, count))
            with torch.no_grad():
                found: Tensor = embeddings(ids.to(like.device)).float()
            return found if self.init != "random" else draw_noise_like(rng, found)

        return draw


def draw_noise_like(rng: np.random.Generator, example: Tensor) -> Tensor:
    """Return normal noise of an example's shape and root mean square."""
    size = float(example.float().square().mean().sqrt())
    drawn = rng.normal(0.0, size, tuple(example.shape)).astype(np.float32)
    return torch.from_numpy(drawn)
