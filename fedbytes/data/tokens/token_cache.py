"""Tokens of texts, encoded once, cached on disk by content digest, and read as memory maps."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from fedbytes.data.assets.manifest import is_whole, staged_folder
from fedbytes.data.task import Kind
from fedbytes.data.text_data import Split, TextData
from fedbytes.data.tokens.chat_rows import chat_rows
from fedbytes.data.tokens.chat_template import pick_template
from fedbytes.data.tokens.encoded import EncodedSplit, EncodedTask, Tokenizer
from fedbytes.data.tokens.packing import pack_test_split
from fedbytes.data.tokens.token_rows import token_rows
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder, unwritable_error
from fedbytes.registry import nearest

__all__ = ["EncodedSplit", "EncodedTask", "Tokenizer", "encode"]

_FORMAT = 1


def encode(
    data: TextData,
    tokenizer: Tokenizer,
    tokenizer_digest: str,
    kind: Kind,
    max_length: int,
    pack: bool = False,
    template: str | None = None,
) -> EncodedTask:
    """Return the tokens of a data set, from the cache if it was encoded before.

    For causal-lm every text starts with the tokenizer's beginning (or end) token and, unless it is
    truncated, ends with its end token, so that each has a token to predict. A text without tokens
    becomes one such token. With `pack` no text is truncated: each is followed by the end token, and
    the test texts are joined and cut into rows. Conversations are rendered by a chat template, and
    only the tokens of answers are learned.

    Args:
        data: the texts.
        tokenizer: a Hugging Face tokenizer.
        tokenizer_digest: identifies the tokenizer's content.
        kind: classification or causal-lm.
        max_length: tokens to which a text is truncated, at least 1 (2 for causal-lm).
        pack: keep texts whole, to be packed into rows of `max_length` tokens.
        template: for conversations; None for the tokenizer's own (see `pick_template`).

    Raises:
        ValueError: if `max_length` is too small, a classification has no labels or only one, or
            conversations have no answers.
    """
    least = 2 if kind == "causal-lm" else 1
    if max_length < least:
        raise ValueError(f"max_length must be at least {least} for {kind}, got {max_length}")
    if kind == "classification" and "label" not in data.train.columns:
        raise ValueError(f"{data.name} has no column 'label'{nearest('label', data.train.columns)}")
    parts = [_FORMAT, data.digest, tokenizer_digest, kind, max_length]
    jinja = None if data.train.chats is None else pick_template(template, tokenizer)
    key = json.dumps([*parts, *(["pack"] if pack else []), *([] if jinja is None else [jinja])])
    digest = hashlib.sha256(key.encode()).hexdigest()
    root = cache_folder("encoded")
    target = root / digest[:24]
    try:
        with alone_in(root, digest[:24]):
            if not is_whole(target):
                _write(target, data, tokenizer, kind, None if pack else max_length, jinja)
    except (OSError, DiskError) as error:
        raise unwritable_error(root, error) from error
    names: tuple[str, ...] = ()
    if kind == "classification":
        labels = [*data.train.columns["label"].tolist(), *data.test.columns["label"].tolist()]
        names = tuple(sorted({str(label) for label in labels}))
        if len(names) < 2:
            raise ValueError(f"{data.name} has only one class, {names[0]!r}: nothing to classify")
    train = _open(target, "train", data.train, names, digest)
    test = _open(target, "test", data.test, names, digest)
    for split in (train, test):
        if split.learned is not None and not split.learned.any():
            raise ValueError(
                f"no answer has tokens to learn ({split.name}): the chat template omits answers, "
                f"or task.max_length={max_length} is too small"
            )
    if pack:
        test = pack_test_split(
            test, max_length, sum(len(text.encode()) for text in data.test.texts)
        )
    notes = data.notes
    if kind == "classification":
        notes += _label_notes(data)
    known = names, kind, digest, max_length, tokenizer
    made = EncodedTask(train, test, *known, unpacked=pack, packed=pack)
    return replace(made, notes=notes, data_digest=data.digest, template=jinja)


def _label_notes(data: TextData) -> tuple[str, ...]:
    """Return a line on the labels that only one of the two splits has."""
    train, test = (
        {str(label) for label in split.columns["label"].tolist()}
        for split in (data.train, data.test)
    )
    pairs = (("train", train - test), ("test", test - train))
    return tuple(
        f"{data.name}: {len(only)} of {len(train | test)} labels only in the {part} examples: "
        f"{_some(sorted(only))}"
        for part, only in pairs
        if only
    )


def _some(names: list[str], most: int = 5) -> str:
    """Return the first names in a line, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*(f"{name[:40]!r}" for name in names[:most]), *more])


def _write(
    target: Path,
    data: TextData,
    tokenizer: Tokenizer,
    kind: Kind,
    max_length: int | None,
    template: str | None,
) -> None:
    with staged_folder(target) as staging:
        for part, split in (("train", data.train), ("test", data.test)):
            if split.chats is None or template is None or max_length is None:
                rows = token_rows(split.texts, tokenizer, kind, max_length)
            else:
                rows, learned = chat_rows(split.chats, tokenizer, template, max_length)
                np.save(staging / f"{part}-learned.npy", np.concatenate(learned).astype(bool))
            offsets = np.zeros(len(rows) + 1, dtype=np.int64)
            np.cumsum([len(row) for row in rows], out=offsets[1:])
            tokens = np.fromiter((t for row in rows for t in row), np.int32, int(offsets[-1]))
            np.save(staging / f"{part}-tokens.npy", tokens)
            np.save(staging / f"{part}-offsets.npy", offsets)


def _open(
    target: Path, part: str, split: Split, names: tuple[str, ...], digest: str
) -> EncodedSplit:
    labels = None
    if names:
        index = {name: i for i, name in enumerate(names)}
        given = split.columns["label"].tolist()
        labels = np.array([index[str(label)] for label in given], dtype=np.int64)
    return EncodedSplit(
        name=part,
        tokens=np.load(target / f"{part}-tokens.npy", mmap_mode="r"),
        offsets=np.load(target / f"{part}-offsets.npy", mmap_mode="r"),
        labels=labels,
        columns=split.columns,
        digest=f"{digest}-{part}",
        learned=None if split.chats is None else np.load(target / f"{part}-learned.npy"),
    )
