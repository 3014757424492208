from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.prepend_prompt import prepend_prompt, vocabulary_size
from fedbytes.models.adapter_parts.prompt_text import PromptText

_NAME = "prompt_ids"


@ADAPTERS.register("discrete_prompt")
@dataclass(frozen=True)
class DiscretePrompt(PromptText):
    """A prompt of vocabulary tokens in front of every text; no weight is trained.

    The trained vector contains the tokens' ids, exact in float32. They have no gradient and require
    an algorithm such as `prompt_search`.
    """

    def trains_words(self) -> bool:
        """Return True."""
        return True

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Prepend the prompt to every input, and return its ids."""
        vocabulary = vocabulary_size(backbone)
        embeddings: nn.Module = backbone.get_input_embeddings()  # type: ignore[operator]

        def draw(rng: np.random.Generator, _like: Tensor) -> Tensor:
            return torch.from_numpy(self.start(rng, vocabulary).astype(np.float32))

        def prompt() -> Tensor:
            if torch.is_grad_enabled():
                raise ValueError(
                    "adapter 'discrete_prompt' trains token ids, which have no gradient: use an "
                    "algorithm without gradients, such as prompt_search"
                )
            found: Tensor = embeddings(backbone.get_parameter(_NAME).round().long())
            return found

        like = draw(np.random.default_rng(0), torch.empty(0))
        device = next(backbone.parameters()).device
        backbone.register_parameter(_NAME, nn.Parameter(like.to(device)))
        prepend_prompt(backbone, prompt)
        return {_NAME: draw}
