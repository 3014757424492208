from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.prepend_prompt import prepend_prompt
from fedbytes.models.adapter_parts.soft_prompt import SoftPrompt

_NAME = "soft_prompt"


@ADAPTERS.register("prompt_tuning")
@dataclass(frozen=True)
class PromptTuning(SoftPrompt):
    """Trained vectors in front of every text (prompt tuning, arXiv:2104.08691).

    They are attended to, but neither pooled nor predicted.
    """

    side_by_side: ClassVar[bool] = True

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Prepend the prompt to every input, and return it."""
        hidden = backbone.get_input_embeddings().embedding_dim  # type: ignore[operator]
        device = next(backbone.parameters()).device
        prompt = torch.zeros(self.tokens, hidden, device=device)
        backbone.register_parameter(_NAME, nn.Parameter(prompt))
        prepend_prompt(backbone, lambda: backbone.get_parameter(_NAME))
        return {_NAME: self.words(backbone)}
