"""Classification by a causal language model's own words, without a trained head."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.data.tokens.token_cache import Tokenizer

DEFAULT_QUESTION = "\nTopic:"


class Verbaliser(nn.Module):
    """Scores each class by the score of its word as the next token after text and question.

    Args:
        backbone: a causal language model with its own head.
        question: token ids that follow every text.
        words: one token id per class.
    """

    def __init__(self, backbone: Any, question: Sequence[int], words: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.question = torch.tensor(question, dtype=torch.int64)
        self.words = torch.tensor(words, dtype=torch.int64)
        self._positions: Tensor | None = None
        self._scores: Tensor | None = None
        head: nn.Module = backbone.get_output_embeddings()
        head.register_forward_pre_hook(self._pick)
        head.register_forward_hook(self._keep)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return class scores [batch, classes] for tokens and mask [batch, time]."""
        tokens, mask, last = append_question(tokens, mask, self.question)
        self._positions = (
            last - tokens.shape[1]
        )  # from the end, since an adapter may prepend tokens
        try:
            self.backbone(input_ids=tokens, attention_mask=mask)
            assert self._scores is not None
            return self._scores[:, self.words.to(tokens.device)]
        finally:
            self._positions = self._scores = None

    def _pick(self, _head: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Pass only one state per text to the head, whose cost would dominate for all of them."""
        if self._positions is None:
            return None
        states = args[0]
        rows = torch.arange(len(states), device=states.device)
        return (states[rows, self._positions + states.shape[1]].unsqueeze(1), *args[1:])

    def _keep(self, _head: nn.Module, _args: tuple[Any, ...], output: Tensor) -> None:
        if self._positions is not None:
            self._scores = output[:, 0]


def append_question(
    tokens: Tensor, mask: Tensor, question: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Append the question to each text; return tokens, mask and the index of its last token.

    Args:
        tokens: [batch, time], padded on the right.
        mask: 1 for tokens and 0 for padding [batch, time].
        question: token ids [count], at least one.
    """
    lengths, count = mask.sum(1), len(question)
    tokens, mask = (nn.functional.pad(x, (0, count)) for x in (tokens, mask))
    columns = lengths[:, None] + torch.arange(count, device=tokens.device)
    tokens = tokens.scatter(1, columns, question.to(tokens).expand(len(tokens), -1))
    return tokens, mask.scatter(1, columns, 1), lengths + count - 1


def encode_words(
    tokenizer: Tokenizer, question: str, words: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Return the question's tokens, and the first token in which each word differs from the others.

    Tokens that all words start with, such as a space, are appended to the question.

    Raises:
        ValueError: if two words have the same first token after that, or the question is empty.
    """
    asked = tokenizer([question], add_special_tokens=False)["input_ids"][0]
    spelt = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    while all(len(ids) > 1 for ids in spelt) and len({ids[0] for ids in spelt}) == 1:
        asked, spelt = [*asked, spelt[0][0]], [ids[1:] for ids in spelt]
    if not asked:
        raise ValueError(
            f"model.question={question!r} has no tokens: set one such as {DEFAULT_QUESTION!r}"
        )
    seen: dict[int, str] = {}
    for word, ids in zip(words, spelt, strict=True):
        if not ids or ids[0] in seen:
            other = seen.get(ids[0], "nothing") if ids else "nothing"
            raise ValueError(
                f"words {other!r} and {word!r} begin with the same token: set other words in "
                "model.words, one per class, separated by commas"
            )
        seen[ids[0]] = word
    return asked, list(seen)


def parse_words(given: str, labels: Sequence[str]) -> list[str]:
    """Return one word per class: those given, separated by commas, or the labels themselves.

    Raises:
        ValueError: if there are more or fewer words than classes.
    """
    if not given:
        return list(labels)
    words = [word.strip() for word in given.split(",")]
    if len(words) != len(labels):
        raise ValueError(
            f"model.words={given!r} has {len(words)} words for {len(labels)} classes: set one for "
            f"each of {', '.join(labels)}"
        )
    if not all(words):
        raise ValueError(f"model.words={given!r} contains an empty word: set one per class")
    return words
