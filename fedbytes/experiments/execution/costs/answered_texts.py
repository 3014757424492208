"""Test texts labelled as the model answers them now, for the time that audits take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fedbytes.models.batching import length_sorted_batches, make_batch

_TOKENS = 4096
"""Tokens of a batch that is answered at once."""


@contextmanager
def labelled_as_answered(model: Any) -> Iterator[None]:
    """Let a classifier be right about every test text, within a block.

    Attacks on texts work on those that the model gets right. One that has hardly been trained is
    right about few, and those of a trained one would be left out of a trial.

    Args:
        model: as it will be audited; nothing is done unless it sorts texts into classes.
    """
    task = getattr(model, "task", None)
    if task is None or task.kind != "classification" or not len(task.test):
        yield
        return
    labels = np.zeros(len(task.test), dtype=np.int64)
    with torch.inference_mode():
        for rows in length_sorted_batches(task.test, _TOKENS):
            answers = model.predictions(make_batch(task.test, rows, model.device)).argmax(1)
            labels[rows] = answers.cpu().numpy()
    model.task = replace(task, test=replace(task.test, labels=labels))
    try:
        yield
    finally:
        model.task = task
