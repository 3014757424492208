from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.prepend_prompt import prepend_prompt, vocabulary_size
from fedbytes.models.adapter_parts.prompt_text import PromptText
from fedbytes.models.initialisers import fill_zeros
from fedbytes.plugin_fields import bounded
from fedbytes.streams import stream

_NAME = "prompt_point"


@ADAPTERS.register("projected_prompt")
@dataclass(frozen=True)
class ProjectedPrompt(PromptText):
    """A soft prompt in a few dimensions, mapped to the prompt's vectors by a fixed random matrix.

    Black-box tuning (Sun et al. 2022, arXiv 2201.03514) searches these dimensions without
    gradients; any other algorithm can train them too. The projection is added to the vectors of
    `text`, or of words that are the same in every run. For a point of norm 1 both are of about
    the same size.

    Attributes:
        dimension: number of trained values.
    """

    dimension: int = bounded(64, least=1)

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Prepend the prompt to every input, and return its coordinates."""
        embeddings: nn.Module = backbone.get_input_embeddings()  # type: ignore[operator]
        device = next(backbone.parameters()).device
        ids = self.start(stream(0, "projected prompt"), vocabulary_size(backbone))
        with torch.no_grad():
            words = embeddings(torch.from_numpy(ids).to(device)).float()
        drawn = stream(0, "projected prompt", 1).normal(size=(words.numel(), self.dimension))
        matrix = torch.from_numpy(drawn.astype(np.float32)).to(device)
        matrix *= float(words.square().mean().sqrt())
        point = nn.Parameter(torch.zeros(self.dimension, device=device))
        backbone.register_parameter(_NAME, point)
        prepend_prompt(
            backbone, lambda: words + (matrix @ backbone.get_parameter(_NAME)).view(words.shape)
        )
        return {_NAME: fill_zeros}
