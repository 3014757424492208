"""Metrics of a split are those of all its examples or tokens, however they are batched."""

import numpy as np
import pytest
import torch

from fedbytes.data.tokens.encoded import EncodedSplit
from fedbytes.models.batching import length_sorted_batches
from fedbytes.models.heads.evaluation import classification_metrics, token_metrics

VOCABULARY, CLASSES, CPU = 11, 3, torch.device("cpu")


def split_of(rows, text_bytes=0):
    """Return a split of rows of very different lengths, in several batches."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 60, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = rng.integers(VOCABULARY, size=offsets[-1]).astype(np.int32)
    labels = rng.integers(CLASSES, size=rows)
    made = EncodedSplit("test", tokens, offsets, labels, {}, "digest", text_bytes)
    assert len(list(length_sorted_batches(made, 2048))) > 3
    return made


def log_softmax(scores):
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def test_token_metrics_are_means_over_all_predicted_tokens():
    split = split_of(300, text_bytes=20_000)
    table = torch.from_numpy(np.random.default_rng(1).normal(size=(VOCABULARY, VOCABULARY)))
    found = token_metrics(lambda batch: table[batch.tokens], split, CPU, torch.float32)
    logs, nll = log_softmax(table.numpy()), []
    for start, end in zip(split.offsets[:-1], split.offsets[1:], strict=True):
        row = split.tokens[start:end]
        nll += (-logs[row[:-1], row[1:]]).tolist()
    loss = np.mean(nll)
    assert len(nll) == len(split.tokens) - 300
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    bits = loss * len(split.tokens) / 20_000 / np.log(2)
    assert found["bits_per_byte"] == pytest.approx(bits, rel=1e-5)


def test_class_metrics_are_means_over_all_examples():
    split = split_of(300)
    scores = torch.from_numpy(np.random.default_rng(2).normal(size=(300, CLASSES)))
    found, right = classification_metrics(
        lambda batch: scores[batch.rows], split, CPU, torch.float32
    )
    logs = log_softmax(scores.numpy())
    assert found["loss"] == pytest.approx(-logs[np.arange(300), split.labels].mean(), rel=1e-5)
    assert found["accuracy"] == np.mean(logs.argmax(1) == split.labels)
    assert np.array_equal(right, logs.argmax(1) == split.labels)
