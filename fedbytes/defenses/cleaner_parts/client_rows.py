"""A client's examples as tokens, classes and features."""

from typing import Any

import numpy as np
import torch

from fedbytes.data import EncodedSplit
from fedbytes.federated import StageContext
from fedbytes.federated.trainable import Featured

_BATCH = 32


def train_split(context: StageContext, cleaner: str) -> EncodedSplit:
    """Return the split that indices count in.

    Raises:
        ValueError: if the model has no texts.
    """
    task: Any = getattr(context.model, "task", None)
    if task is None:
        raise ValueError(f"cleaner {cleaner!r} reads texts, and the model has none")
    split: EncodedSplit = task.train
    return split


def row_tokens(split: EncodedSplit, row: int) -> np.ndarray:
    """Return the tokens of an example, int32."""
    return split.tokens[split.offsets[row] : split.offsets[row + 1]]


def by_class(split: EncodedSplit, indices: np.ndarray, cleaner: str) -> list[np.ndarray]:
    """Return the places in `indices` of each class that occurs, in the order of the classes.

    Raises:
        ValueError: if examples have no class.
    """
    if split.labels is None:
        raise ValueError(
            f"cleaner {cleaner!r} compares examples of a class: set a classification task"
        )
    labels = split.labels[indices]
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def pooled_features(context: StageContext, indices: np.ndarray, cleaner: str) -> np.ndarray:
    """Return what a classifier's head is given of each example, float64 [examples, width].

    Raises:
        ValueError: if the model is no classifier.
    """
    model = context.model
    if not isinstance(model, Featured):
        raise ValueError(
            f"cleaner {cleaner!r} works on features, and the model is no classifier that has some"
        )
    found = np.empty((len(indices), 0))
    split = train_split(context, cleaner)
    order = np.argsort(split.lengths[indices], kind="stable")
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        batch = next(model.batches(indices[places], len(places), context.rng()))
        with torch.no_grad():
            features = model.features(batch).double().cpu().numpy()
        if not found.shape[1]:
            found = np.empty((len(indices), features.shape[1]))
        by_row = places[np.argsort(indices[places], kind="stable")]
        found[by_row[np.searchsorted(indices[by_row], batch.rows)]] = features
    return found
