from dataclasses import dataclass

import torch
from torch import nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.prepend_prompt import read_first
from fedbytes.models.adapter_parts.soft_prompt import SoftPrompt

NAME = "soft_prompt"


@ADAPTERS.register("prompt_tuning")
@dataclass(frozen=True)
class PromptTuning(SoftPrompt):
    """Trained vectors in front of every text's (prompt tuning, arXiv:2104.08691).

    They are neither pooled nor predicted: a classifier and a language model see the text's own
    states, after attention to the prompt.
    """

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Put the prompt in front of what the model reads, and return it."""
        hidden = backbone.get_input_embeddings().embedding_dim  # type: ignore[operator]
        device = next(backbone.parameters()).device
        prompt = torch.zeros(self.tokens, hidden, device=device)
        backbone.register_parameter(NAME, nn.Parameter(prompt))
        read_first(backbone, lambda: backbone.get_parameter(NAME))
        return {NAME: self.words(backbone)}
