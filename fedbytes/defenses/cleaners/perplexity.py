"""Perplexity: a client drops the texts that are least like language."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.defenses.cleaner_parts.client_rows import train_split
from fedbytes.defenses.cleaner_parts.dropping import keep_lowest
from fedbytes.defenses.cleaner_parts.text_surprise import UNIGRAM, plain_texts, text_surprise
from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded


@CLEANERS.register("perplexity")
@dataclass(frozen=True)
class Perplexity(Cleaner):
    """Drop a share of a client's examples, those of the highest perplexity.

    A filter of training texts in use since CCNet (Wenzek et al. 2020, arXiv:1911.00359). Texts at
    mean surprises of 5.1, 9.8, 4.9 and 5.3 nats a word at `drop: 0.25` leave the first, third and
    fourth. What it finds is noise: a trigger of common words in a fluent text costs little.

    Attributes:
        drop: share of the client's examples, in [0, 1); of n, floor(drop * n) are dropped.
        judge: `unigram`, the frequencies of words in the client's own examples, or a causal
            language model by name, such as `smollm2-135m`, which every client then needs.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"judge": "tiny-llama", "drop": 0.3})
    reads_texts: ClassVar[bool] = True
    uses_model: ClassVar[bool] = False

    drop: float = bounded(0.1, least=0, below=1)
    judge: str = UNIGRAM

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep the examples of the lowest perplexity, in their order."""
        split, model = train_split(context, self.name), context.model
        texts = plain_texts(split, indices, model.task.tokenizer)  # type: ignore[attr-defined]
        return keep_lowest(indices, text_surprise(self.judge, texts)(texts), self.drop), state
