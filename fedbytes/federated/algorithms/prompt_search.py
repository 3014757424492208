"""Prompt search: clients score prompts that everybody drew, and only scores and a choice travel."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable
from fedbytes.federated.zeroth_order.slopes import refuse_memories
from fedbytes.plugin_fields import bounded

PROMPT = "prompt_ids"


@ALGORITHMS.register("prompt_search")
@dataclass(frozen=True)
class PromptSearch(Algorithm):
    """A search for the words of a prompt (adapter `discrete_prompt`); no weight is trained.

    In each round everybody draws the same `candidates`, prompts that differ from the present one
    in `changes` words. A client sends how much the loss of each differs from the present one's on
    its own examples; the server takes the mean, weighted by examples, and sends the number of the
    best, or 0 if none is better. Needs forward passes alone, as for a model behind an interface.
    """

    takes_gradients: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"candidates": 3, "batch_size": 8},)
    example_model: ClassVar[Mapping[str, Any] | None] = {
        "model": "tiny-llama",
        "adapter": {"name": "discrete_prompt", "length": 3},
        "kind": "causal-lm",
    }

    searches_words: ClassVar[bool] = True
    alike_each_round: ClassVar[bool] = False

    candidates: int = bounded(8, least=1)
    """Prompts, in addition to the current one, that are scored per round."""
    changes: int = bounded(1, least=1)
    """Words in which a candidate differs from the present prompt, at most."""
    batch_size: int = bounded(16, least=1)
    batches: int = bounded(1, least=1)
    """Batches that a client scores the candidates on."""
    vocabulary: int | None = bounded(None, least=2)
    """Draw words from so many of the vocabulary's first tokens, in many the most frequent."""

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of the prompt.

        Raises:
            ValueError: if anything else than a prompt of words is trained.
        """
        if model.layout.names != (PROMPT,):
            raise ValueError(
                f"algorithm 'prompt_search' finds words and nothing else, and "
                f"{', '.join(model.layout.names[:3])} would be trained: set adapter.name="
                "discrete_prompt, and for classification model.head=words"
            )
        return model.layout

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the scores."""
        return Layout({"scores": (self.candidates,)})

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of the choice."""
        return Layout({"choice": (1,)})

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Score the candidates; the delta is each one's loss minus the present prompt's."""
        drawn = islice(context.model.batches(indices, self.batch_size, rng), self.batches)
        batches = list(drawn)
        losses = []
        for prompt in self._prompts(context, start):
            context.model.set_state(prompt)
            with torch.no_grad():
                losses.append(torch.stack([context.model.loss(batch).cpu() for batch in batches]))
        scores = torch.stack(losses).float().mean(1)
        return Trained(scores[1:] - scores[0], float(scores[0]), memory)

    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Return the number of the best candidate, from 1, or 0 to stay."""
        mean = weighted_mean(uploads)
        best = int(mean.argmin())
        return torch.tensor([best + 1.0 if mean[best] < 0 else 0.0]), state

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Take the prompt that was chosen."""
        return self._prompts(context, held)[int(update)]

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse memories, and a downlink that changes numbers: it carries a choice."""
        if not compatibility.down_exact:
            return (
                f"algorithm {self.name!r} sends down the number of a prompt, which codec "
                f"{compatibility.down_name!r} would change: set downlink.name=fp32"
            )
        return super().refuses(compatibility) or refuse_memories(self.name, compatibility)

    def _prompts(self, context: RoundContext, held: Tensor) -> list[Tensor]:
        """Return the present prompt and the round's candidates."""
        rng = context.stream("prompt_search")
        known = int(context.model.vocabulary)  # type: ignore[attr-defined]
        words = min(self.vocabulary or known, known)
        prompts = [held.clone() for _ in range(self.candidates + 1)]
        for prompt in prompts[1:]:
            places = rng.permutation(len(held))[: self.changes]
            drawn = rng.integers(words, size=len(places))
            prompt[torch.from_numpy(places)] = torch.from_numpy(drawn.astype(np.float32))
        return prompts
