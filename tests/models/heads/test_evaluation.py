"""Metrics of a split are those of all its examples or tokens, however they are batched."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.data.tokens.encoded import EncodedSplit
from fedbytes.models.batching import length_sorted_batches
from fedbytes.models.heads.evaluation import (
    Part,
    classification_metrics,
    measure_batches,
    token_metrics,
)

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
    split = replace(split_of(300, text_bytes=20_000), labels=None)
    table = torch.from_numpy(np.random.default_rng(1).normal(size=(VOCABULARY, VOCABULARY)))
    measured = measure_batches(lambda batch: table[batch.tokens], split, CPU, torch.float32)
    found = token_metrics(measured, split)
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
    measured = measure_batches(lambda batch: scores[batch.rows], split, CPU, torch.float32)
    found, right = classification_metrics(measured, split)
    logs = log_softmax(scores.numpy())
    assert found["loss"] == pytest.approx(-logs[np.arange(300), split.labels].mean(), rel=1e-5)
    assert found["accuracy"] == np.mean(logs.argmax(1) == split.labels)
    assert np.array_equal(right, logs.argmax(1) == split.labels)


def test_parts_are_measured_as_the_whole():
    split = split_of(300)
    scores = torch.from_numpy(np.random.default_rng(2).normal(size=(300, CLASSES)))

    def measured(part):
        where = split, CPU, torch.float32
        return measure_batches(lambda batch: scores[batch.rows], *where, part=part)

    whole, parts = measured(Part()), [measured(Part(first, 3)) for first in range(3)]
    again = [parts[place % 3][place // 3] for place in range(len(whole))]
    for one, other in zip(whole, again, strict=True):
        assert (one.rows.tolist(), one.loss, one.count) == (
            other.rows.tolist(),
            other.loss,
            other.count,
        )
        assert np.array_equal(one.answers, other.answers)
