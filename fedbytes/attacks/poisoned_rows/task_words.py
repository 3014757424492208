"""A task's labels and words, as attackers name them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.data import EncodedTask
from fedbytes.registry import nearest

Ids = npt.NDArray[np.int32]


def label_index(task: EncodedTask, label: str, attack: str) -> int:
    """Return the index of a label by its name.

    Raises:
        ValueError: if the task has no such label; the message lists those that it has.
    """
    names = list(task.label_names)
    if label in names:
        return names.index(label)
    known = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    raise ValueError(
        f"attack {attack!r}: the task's {len(names)} labels have no {label!r}"
        f"{nearest(label, names)} (known: {known})"
    )


def token_ids(task: EncodedTask, text: str, attack: str) -> Ids:
    """Return the tokens of words within a text, without special ones.

    Raises:
        ValueError: if there are none.
    """
    encoded = task.tokenizer([f" {text.strip()}"], add_special_tokens=False)["input_ids"][0]
    if not encoded:
        raise ValueError(f"attack {attack!r}: {text!r} has no token of this model's tokenizer")
    return np.array(encoded, dtype=np.int32)


def special_ids(task: EncodedTask) -> frozenset[int]:
    """Return the ids of special tokens, such as those that begin and end a text."""
    tokenizer: Any = task.tokenizer
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id)
    listed = getattr(tokenizer, "all_special_ids", ())
    return frozenset(int(one) for one in (*known, *listed) if one is not None)


def word_ids(task: EncodedTask) -> Ids:
    """Return the ids of all tokens that are not special."""
    return np.setdiff1d(
        np.arange(len(task.tokenizer), dtype=np.int32),
        np.array(sorted(special_ids(task)), dtype=np.int32),
    )


def text_between(tokens: Sequence[int] | Ids, special: frozenset[int]) -> tuple[int, int]:
    """Return where a row's text begins and ends: what special tokens at both ends leave."""
    begin, end = 0, len(tokens)
    while begin < end and int(tokens[begin]) in special:
        begin += 1
    while end > begin and int(tokens[end - 1]) in special:
        end -= 1
    return begin, end
