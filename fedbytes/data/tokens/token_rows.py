"""Token ids of texts."""

from typing import Any

from fedbytes.data.task import Kind
from fedbytes.data.tokens.encoded import Tokenizer

_TEXTS_PER_CHUNK = 1024


def token_rows(
    texts: list[str], tokenizer: Tokenizer, kind: Kind, max_length: int | None
) -> list[list[int]]:
    """Return the ids of each text, special tokens included.

    Args:
        texts: one text per example.
        tokenizer: a Hugging Face tokenizer.
        kind: `classification` adds the tokenizer's own special tokens, `causal-lm` a beginning
            and an end token.
        max_length: ids to which a text is truncated. With None no text is truncated, and none has
            a beginning token: in a packed row the end token of the previous text precedes it.
    """
    begin, end = (
        first_not_none(tokenizer.bos_token_id, tokenizer.eos_token_id),
        tokenizer.eos_token_id,
    )
    alone = first_not_none(end, begin, tokenizer.cls_token_id, 0)
    assert alone is not None
    rows: list[list[int]] = []
    for start in range(0, len(texts), _TEXTS_PER_CHUNK):
        chunk = texts[start : start + _TEXTS_PER_CHUNK]
        if kind == "classification":
            ids = tokenizer(chunk, truncation=True, max_length=max_length)["input_ids"]
            rows += [row or [alone] for row in ids]
        elif max_length is None:
            ids = tokenizer(chunk, add_special_tokens=False)["input_ids"]
            rows += [[*row, alone] for row in ids]
        else:
            cut: dict[str, Any] = {"truncation": True, "max_length": max_length}
            ids = tokenizer(chunk, add_special_tokens=False, **cut)["input_ids"]
            before = [] if begin is None else [begin]
            after = [] if end is None else [end]
            rows += [([*before, *row, *after])[:max_length] for row in ids]
    return rows


def first_not_none(*ids: int | None) -> int | None:
    """Return the first id that is not None."""
    return next((i for i in ids if i is not None), None)
