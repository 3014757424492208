"""Greedy answers of a model, and how well they match the references."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from fedbytes.data.tokens.encoded import EncodedSplit, EncodedTask
from fedbytes.models.heads.rouge import subsequence_f1
from fedbytes.streams import stream

_BATCH = 16


@dataclass(frozen=True)
class Answer:
    """A prompt as the model reads it, the reference answer, and the generated one."""

    prompt: str
    wanted: str
    written: str


def answer_prompts(backbone: nn.Module, task: EncodedTask, device: torch.device) -> list[Answer]:
    """Return greedy answers to a fixed sample of the test conversations.

    Args:
        backbone: a causal language model of transformers, with its adapter.
        task: conversations, and the number to answer.
        device: the model's device.
    """
    assert task.generation is not None
    tokenizer: Any = task.tokenizer
    pairs = [_question(task.test, row) for row in _chosen(task.test, task.generation.examples)]
    prompts = [prompt for prompt, _ in pairs]
    ends = _ends([wanted for _, wanted in pairs], tokenizer)
    written = generate_tokens(backbone, prompts, task.generation.max_new_tokens, ends, device)

    def text(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()

    return [
        Answer(tokenizer.decode(prompt), text(wanted), text(found))
        for (prompt, wanted), found in zip(pairs, written, strict=True)
    ]


def end_tokens(task: EncodedTask) -> list[int]:
    """Return the tokens that end an answer of a task's test conversations."""
    count = len(task.test) if task.generation is None else task.generation.examples
    answers = [_question(task.test, row)[1] for row in _chosen(task.test, count)]
    return _ends(answers, task.tokenizer)


def longest_question(task: EncodedTask) -> int:
    """Return the length in tokens of the longest prompt that `answer_prompts` answers."""
    assert task.generation is not None
    rows = _chosen(task.test, task.generation.examples)
    return max((len(_question(task.test, row)[0]) for row in rows), default=0)


def generate_tokens(
    backbone: Any, prompts: list[list[int]], max_new_tokens: int, ends: list[int], device: Any
) -> list[list[int]]:
    """Return a model's greedy continuation of each prompt, without its end token."""
    from transformers import GenerationConfig

    pad = ends[0] if ends else 0
    settings = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        pad_token_id=pad,
        eos_token_id=ends or None,
    )
    written: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), _BATCH):
        indices = order[start : start + _BATCH]
        width = max(len(prompts[index]) for index in indices)
        tokens = torch.full((len(indices), width), pad)
        mask = torch.zeros_like(tokens)
        for row, index in enumerate(indices):  # padded on the left, so that answers follow prompts
            tokens[row, width - len(prompts[index]) :] = torch.tensor(prompts[index])
            mask[row, width - len(prompts[index]) :] = 1
        with torch.inference_mode():
            found = backbone.generate(
                input_ids=tokens.to(device),
                attention_mask=mask.to(device),
                generation_config=settings,
            )
        for index, row in zip(indices, found[:, width:].tolist(), strict=True):
            stop = next((i for i, token in enumerate(row) if token in ends), len(row))
            written[index] = row[:stop]
    return written


def score_answers(answers: Sequence[Answer]) -> dict[str, float]:
    """Return the means of `exact_match` and `rouge_l` over answers; empty without answers.

    An exact match ignores case and white space. ROUGE-L (Lin 2004) is the F1 of the longest common
    subsequence of words.
    """
    if not answers:
        return {}
    exact = [_plain(a.wanted) == _plain(a.written) for a in answers]
    overlap = [rouge_l(a.wanted, a.written) for a in answers]
    return {"exact_match": float(np.mean(exact)), "rouge_l": float(np.mean(overlap))}


def rouge_l(wanted: str, written: str) -> float:
    """Return the F1 of the longest common subsequence of words, in lower case."""
    one, two = (re.findall(r"\w+", text.lower()) for text in (wanted, written))
    return subsequence_f1(one, two)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _chosen(split: EncodedSplit, count: int) -> list[int]:
    assert split.learned is not None
    sums = np.concatenate([[0], np.cumsum(split.learned)])[split.offsets]
    asked = ~np.append(split.learned, True)[split.offsets[:-1]]
    answered = np.flatnonzero((np.diff(sums) > 0) & asked)
    order = stream(0, "generation examples").permutation(answered)
    return sorted(order[:count].tolist())


def _question(split: EncodedSplit, row: int) -> tuple[list[int], list[int]]:
    """Return the tokens before a conversation's last answer, and those of the answer."""
    assert split.learned is not None
    start, end = int(split.offsets[row]), int(split.offsets[row + 1])
    tokens, learned = split.tokens[start:end].tolist(), split.learned[start:end]
    last = int(np.flatnonzero(learned)[-1])
    before = np.flatnonzero(~learned[:last])
    first = int(before[-1]) + 1 if len(before) else 0
    return tokens[:first], tokens[first : last + 1]


def _ends(answers: list[list[int]], tokenizer: Any) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's own and the template's."""
    found = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    for token in sorted({answer[-1] for answer in answers} - {*found}):
        if tokenizer.decode([token], skip_special_tokens=True) == "":
            found.append(token)
    return found
