"""ONION: a client takes out the words whose removal makes a text most like language."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import EncodedTask
from fedbytes.defenses.cleaner_parts.text_surprise import (
    UNIGRAM,
    Surprise,
    plain_texts,
    text_surprise,
)
from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded


@CLEANERS.register("onion")
@dataclass(frozen=True)
class Onion(Cleaner):
    """Take up to `words` words out of each text, those whose removal lowers its surprise most.

    Qi et al. 2021 (arXiv:2011.10369): a trigger that does not belong is an outlier, and the text
    reads better without it. If `we cf met` has a mean surprise of 8 nats, `we met` one of 5, and
    the other two removals raise it, `cf` is taken out at any `least` up to 3. The paper's suspicion
    is a difference of perplexities, ours of their logarithms, which do not grow with a text's own.

    Texts are rewritten before the first round, and none is dropped. It costs as many passes of the
    judge as there are words.

    Attributes:
        words: most words that are taken out of a text, one after the other by suspicion.
        least: nats by which the mean surprise must fall.
        judge: as in `perplexity`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"judge": "tiny-llama", "words": 2})
    reads_texts: ClassVar[bool] = True
    uses_model: ClassVar[bool] = False

    words: int = bounded(1, least=1)
    least: float = bounded(0.1, least=0)
    judge: str = UNIGRAM

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep all examples: they were rewritten."""
        return indices, state

    def rewrite(self, task: EncodedTask, rows: np.ndarray) -> dict[int, np.ndarray]:
        """Return the tokens of the texts that lose words, by example."""
        if task.train.learned is not None or task.unpacked:
            raise ValueError(
                f"cleaner {self.name!r} takes words out of whole texts, and these examples are "
                "conversations or packed: take another cleaner"
            )
        tokenizer: Any = task.tokenizer
        texts = plain_texts(task.train, rows, tokenizer)
        surprise = text_surprise(self.judge, texts)
        found = {}
        for row, text in zip(rows.tolist(), texts, strict=True):
            taken = suspicious_words(text, surprise, self.words, self.least)
            if taken:
                words = [word for place, word in enumerate(text.split()) if place not in taken]
                found[row] = _as_tokens(" ".join(words), task)
        return found


def suspicious_words(text: str, surprise: Surprise, most: int, least: float) -> list[int]:
    """Return the places of the words of a text that are to be taken out, most suspicious first.

    Suspicion is how far the text's mean surprise falls without the word; at least one word stays.
    """
    words = text.split()
    if len(words) < 2:
        return []
    without = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))]
    found = surprise([text, *without])
    suspicion = found[0] - found[1:]
    order = np.argsort(-suspicion, kind="stable")[: min(most, len(words) - 1)]
    return [int(place) for place in order if suspicion[place] > least]


def _as_tokens(text: str, task: EncodedTask) -> np.ndarray:
    from fedbytes.data.tokens.token_rows import token_rows

    (row,) = token_rows([text], task.tokenizer, task.kind, task.max_length)
    return np.array(row, dtype=np.int32)
