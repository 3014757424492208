"""How surprising a text is: to the frequencies of words, or to a causal language model."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from fedbytes.data import EncodedSplit
from fedbytes.models import load_base, load_tokenizer

UNIGRAM = "unigram"
Surprise = Callable[[Sequence[str]], np.ndarray]
"""Returns each text's mean surprise in nats: of its words, or of a language model's tokens."""
_TOKENS_PER_BATCH = 2048
_LONGEST = 256


def plain_texts(split: EncodedSplit, rows: Sequence[int] | np.ndarray, tokenizer: Any) -> list[str]:
    """Return what the tokens of examples spell, without special tokens."""
    tokens = (split.tokens[split.offsets[row] : split.offsets[row + 1]] for row in rows)
    return [str(tokenizer.decode(one.tolist(), skip_special_tokens=True)) for one in tokens]


def text_surprise(name: str, own: Sequence[str]) -> Surprise:
    """Return the surprise under a model.

    Args:
        name: `unigram`, words' frequencies in `own`, or a causal language model's name.
        own: the texts that a unigram model is fitted on.

    Raises:
        ValueError: for a model that there is not, or that is not causal.
    """
    return _unigram(own) if name == UNIGRAM else _causal(name)


def _unigram(own: Sequence[str]) -> Surprise:
    """Return the surprise under frequencies, with one count for each word that is not there."""
    counts = Counter(word for text in own for word in text.split())
    total = sum(counts.values()) + 1

    def surprise(texts: Sequence[str]) -> np.ndarray:
        found = np.zeros(len(texts))
        for place, text in enumerate(texts):
            logs = [math.log(total / max(counts[word], 1)) for word in text.split()]
            found[place] = sum(logs) / max(len(logs), 1)
        return found

    return surprise


@lru_cache(maxsize=1)
def _causal(name: str) -> Surprise:
    model: Any = load_base(name, "causal-lm", "cpu", None, None).model
    tokenizer: Any = load_tokenizer(name)[0]
    end = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id

    def surprise(texts: Sequence[str]) -> np.ndarray:
        ids = [[end, *row][:_LONGEST] for row in tokenizer(list(texts))["input_ids"]]
        found = np.zeros(len(texts))
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for batch in _batches(order, [len(row) for row in ids]):
            found[batch] = _mean_surprise(model, [ids[place] for place in batch], end)
        return found

    return surprise


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Return places in batches of at most so many padded tokens; `order` is by length."""
    batches: list[list[int]] = []
    for place in order:
        if batches and (len(batches[-1]) + 1) * lengths[place] <= _TOKENS_PER_BATCH:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def _mean_surprise(model: Any, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    width = max(len(row) for row in rows)
    tokens = torch.full((len(rows), width), pad)
    mask = torch.zeros_like(tokens)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    with torch.inference_mode():
        logits = model(input_ids=tokens, attention_mask=mask).logits[:, :-1].float()
    logs = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    seen = mask[:, 1:]
    mean: np.ndarray = (-(logs * seen).sum(1) / seen.sum(1).clamp(min=1)).numpy()
    return mean
