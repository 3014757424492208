from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.attention_prefix import KEYS, VALUES, AttentionPrefix
from fedbytes.models.adapter_parts.soft_prompt import SoftPrompt, noise_like
from fedbytes.models.context_length import check_prompt, positions_of


@ADAPTERS.register("prefix_tuning")
@dataclass(frozen=True)
class PrefixTuning(SoftPrompt):
    """Trained keys and values in front of every layer's (prefix tuning, arXiv:2101.00190).

    They start as those that the base computes for the prompt's words, as the paper advises, or
    as noise of that size. They are trained themselves, without the paper's network behind them.
    """

    @property
    def positions(self) -> int:
        """None: keys and values stand in front of those of the text without positions."""
        return 0

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Put keys and values in front, and return them.

        Raises:
            ValueError: if the model's attention cannot be reached; prompt_tuning then can. Or if
                it cannot read the words that they start as.
        """
        check_prompt(positions_of(backbone), self.tokens)
        prefix = AttentionPrefix(backbone, self.tokens)
        together = Words(self, prefix)
        names = [(f"{name}.{p}", p, kind) for p in range(prefix.layers) for kind, name in KINDS]
        return {name: Part(together, place, kind) for name, place, kind in names}


KINDS = ((0, KEYS), (1, VALUES))


@dataclass
class Words:
    """Keys and values of the words that a prefix starts as, by layer."""

    adapter: SoftPrompt
    prefix: AttentionPrefix
    found: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def draw(self, rng: np.random.Generator, device: torch.device) -> None:
        """Draw the words, and let the base read them."""
        ids = self.adapter.start(rng, int(self.prefix.backbone.config.vocab_size))
        self.found = self.prefix.of(torch.from_numpy(ids).to(device))


@dataclass(frozen=True)
class Part:
    """Draws one layer's keys (`kind` 0) or values (1); the first part draws the words of all."""

    together: Words
    place: int
    kind: int

    def __call__(self, rng: np.random.Generator, like: Tensor) -> Tensor:
        """Return the start [length, heads x width]; parts are drawn in the layout's order."""
        if self.place == self.kind == 0:
            self.together.draw(rng, like.device)
        start = self.together.found[self.place][self.kind]
        return noise_like(rng, start) if self.together.adapter.init == "random" else start
