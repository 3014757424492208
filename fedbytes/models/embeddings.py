"""Sentence embeddings of texts, computed once and cached on disk by content digest."""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import track

from fedbytes.data.assets.manifest import is_whole, staged_folder
from fedbytes.models.base.base_model import load_base, load_tokenizer
from fedbytes.models.heads.network import pool_states
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder, unwritable_error

_FORMAT = 1
_TOKENS_PER_BATCH = 8192

Embeddings = npt.NDArray[np.float32]
"""Unit vectors [texts, hidden]."""


def sentence_embeddings(
    texts: Sequence[str], texts_digest: str, model: str = "minilm", max_length: int = 64
) -> Embeddings:
    """Return the mean last hidden state of each text, of length one, float32 [texts, hidden].

    Args:
        texts: one text per example.
        texts_digest: identifies the texts in the cache.
        model: an encoder that was trained for sentences.
        max_length: tokens to which a text is truncated.

    Raises:
        ValueError: if there is no such model, or the cache folder cannot be written.
    """
    _, tokenizer_digest = load_tokenizer(model)
    base_digest = load_base(model).info.digest
    key = json.dumps([_FORMAT, texts_digest, len(texts), base_digest, tokenizer_digest, max_length])
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    root = cache_folder("embeddings")
    target = root / name
    try:
        with alone_in(root, name):
            if not is_whole(target):
                _fill(target, texts, model, max_length)
            found: Embeddings = np.load(target / "embeddings.npy")
    except (OSError, DiskError) as error:
        raise unwritable_error(root, error) from error
    return found


def _fill(target: Path, texts: Sequence[str], model: str, max_length: int) -> None:
    tokenizer: Any = load_tokenizer(model)[0]
    backbone: Any = load_base(model).model
    rows: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=max_length)[
        "input_ids"
    ]
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    embeddings = np.zeros((len(rows), load_base(model).width), dtype=np.float32)
    console = Console(stderr=True)
    batches = list(_batches(order, rows))
    shown = track(
        batches,
        f"embedding {len(rows):,} texts",
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with torch.inference_mode():
        for batch in shown:
            embeddings[batch] = _embed([rows[row] for row in batch], backbone)
    with staged_folder(target) as staging:
        np.save(staging / "embeddings.npy", embeddings)


def _batches(order: list[int], rows: list[list[int]]) -> list[list[int]]:
    """Return batches of texts of similar length, of at most `_TOKENS_PER_BATCH` padded tokens."""
    batches: list[list[int]] = [[]]
    for row in order:
        if batches[-1] and (len(batches[-1]) + 1) * max(len(rows[row]), 1) > _TOKENS_PER_BATCH:
            batches.append([])
        batches[-1].append(row)
    return batches


def _embed(rows: list[list[int]], backbone: Any) -> Embeddings:
    width = max(1, *(len(row) for row in rows)) if len(rows) > 1 else max(1, len(rows[0]))
    tokens = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = row
        mask[index, : max(len(row), 1)] = 1  # a text without tokens is one padding token
    seen = torch.from_numpy(mask)
    states = backbone(input_ids=torch.from_numpy(tokens), attention_mask=seen).last_hidden_state
    unit = torch.nn.functional.normalize(pool_states(states.float(), seen, False), dim=-1)
    found: Embeddings = unit.numpy()
    return found
