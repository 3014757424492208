"""Texts as tokens: encoded once, kept on disk by content digest, read as memory maps."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from fedbytes.data.home import folder, unwritable
from fedbytes.data.manifest import is_whole, staged
from fedbytes.data.task import Kind
from fedbytes.data.text_data import Column, Split, TextData

FORMAT = 1


class Tokenizer(Protocol):
    """What is asked of a tokenizer; those of Hugging Face answer it."""

    bos_token_id: int | None
    eos_token_id: int | None
    cls_token_id: int | None

    def __call__(self, text: list[str], **options: Any) -> Any:
        """Return a mapping with `input_ids`, a list of ids a text."""


@dataclass(frozen=True)
class EncodedSplit:
    """The tokens of a split.

    Attributes:
        name: `train` or `test`.
        tokens: int32 [all tokens], text after text.
        offsets: int64 [examples + 1]; example i is `tokens[offsets[i]:offsets[i + 1]]`.
        labels: int64 [examples], places in `label_names`; None for causal-lm.
        columns: the columns of the split, factors for partitioners.
        digest: SHA-256 that names this split's tokens.
    """

    name: str
    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64] | None
    columns: dict[str, Column]
    digest: str

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example, int64 [examples]."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class EncodedTask:
    """A task's two splits as tokens, and the names of its classes (empty for causal-lm)."""

    train: EncodedSplit
    test: EncodedSplit
    label_names: tuple[str, ...]
    kind: Kind
    digest: str
    max_length: int


def encode(
    data: TextData, tokenizer: Tokenizer, tokenizer_digest: str, kind: Kind, max_length: int
) -> EncodedTask:
    """Return the tokens of a data set, from the cache if it was encoded before.

    For causal-lm every text starts with the tokenizer's beginning (or end) token and, unless it
    is cut, ends with its end token, so that each has something to predict. A text that has no
    tokens at all becomes one such token.

    Args:
        data: the texts.
        tokenizer: a Hugging Face tokenizer.
        tokenizer_digest: names the tokenizer's content.
        kind: what the tokens are for.
        max_length: tokens a text is cut to, at least 1 (2 for causal-lm).

    Raises:
        ValueError: if `max_length` is too small, or a classification has no labels.
    """
    least = 2 if kind == "causal-lm" else 1
    if max_length < least:
        raise ValueError(f"max_length must be at least {least} for {kind}, got {max_length}")
    if kind == "classification" and "label" not in data.train.columns:
        raise ValueError(
            f"{data.name} has no column 'label' (known: {', '.join(data.train.columns)})"
        )
    key = json.dumps([FORMAT, data.digest, tokenizer_digest, kind, max_length])
    digest = hashlib.sha256(key.encode()).hexdigest()
    root = folder("encoded")
    target = root / digest[:24]
    try:
        with FileLock(root / f".{digest[:24]}.lock"):
            if not is_whole(target):
                _write(target, data, tokenizer, kind, max_length)
    except OSError as error:
        raise unwritable(root, error) from error
    names: tuple[str, ...] = ()
    if kind == "classification":
        labels = [*data.train.columns["label"].tolist(), *data.test.columns["label"].tolist()]
        names = tuple(sorted({str(label) for label in labels}))
    train = _open(target, "train", data.train, names, digest)
    test = _open(target, "test", data.test, names, digest)
    return EncodedTask(train, test, names, kind, digest, max_length)


def _write(target: Path, data: TextData, tokenizer: Tokenizer, kind: Kind, max_length: int) -> None:
    with staged(target) as staging:
        for part, split in (("train", data.train), ("test", data.test)):
            rows = _tokenize(split.texts, tokenizer, kind, max_length)
            offsets = np.zeros(len(rows) + 1, dtype=np.int64)
            np.cumsum([len(row) for row in rows], out=offsets[1:])
            tokens = np.fromiter((t for row in rows for t in row), np.int32, int(offsets[-1]))
            np.save(staging / f"{part}-tokens.npy", tokens)
            np.save(staging / f"{part}-offsets.npy", offsets)


def _tokenize(
    texts: list[str], tokenizer: Tokenizer, kind: Kind, max_length: int
) -> list[list[int]]:
    begin, end = _first(tokenizer.bos_token_id, tokenizer.eos_token_id), tokenizer.eos_token_id
    alone = _first(end, begin, tokenizer.cls_token_id, 0)
    rows: list[list[int]] = []
    for start in range(0, len(texts), 1024):
        chunk = texts[start : start + 1024]
        if kind == "classification":
            ids = tokenizer(chunk, truncation=True, max_length=max_length)["input_ids"]
            rows += [row or [alone] for row in ids]
            continue
        ids = tokenizer(chunk, truncation=True, max_length=max_length, add_special_tokens=False)[
            "input_ids"
        ]
        before = [] if begin is None else [begin]
        after = [] if end is None else [end]
        rows += [([*before, *row, *after])[:max_length] for row in ids]
    return rows


def _first(*ids: int | None) -> int | None:
    return next((i for i in ids if i is not None), None)


def _open(
    target: Path, part: str, split: Split, names: tuple[str, ...], digest: str
) -> EncodedSplit:
    labels = None
    if names:
        place = {name: i for i, name in enumerate(names)}
        given = split.columns["label"].tolist()
        labels = np.array([place[str(label)] for label in given], dtype=np.int64)
    return EncodedSplit(
        name=part,
        tokens=np.load(target / f"{part}-tokens.npy", mmap_mode="r"),
        offsets=np.load(target / f"{part}-offsets.npy", mmap_mode="r"),
        labels=labels,
        columns=split.columns,
        digest=f"{digest}-{part}",
    )
