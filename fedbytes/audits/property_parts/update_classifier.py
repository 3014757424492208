"""A classifier of updates: principal components, and a logistic model of each property."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from fedbytes.arrays import Doubles

_STEPS = 25
_PENALTY = 1.0


@dataclass(frozen=True, eq=False)
class UpdateClassifier:
    """Tells from an update which properties its client's examples have.

    Attributes:
        mean: of the updates that it was fitted to, all of length 1, float64 [numel].
        axes: their principal components, each divided by its deviation, float64 [axes, numel].
        weights: of each property, the constant last, float64 [properties, axes + 1].
    """

    mean: Doubles
    axes: Doubles
    weights: Doubles

    @classmethod
    def fit(cls, updates: Doubles, properties: np.ndarray, most: int) -> "UpdateClassifier":
        """Fit components and logistic models with a ridge penalty.

        Args:
            updates: float64 [clients, numel].
            properties: which of them have which, bool [clients, properties].
            most: how many components at most.
        """
        unit = np.stack([_of_length_one(one) for one in updates])
        mean = unit.mean(0)
        _, values, axes = np.linalg.svd(unit - mean, full_matrices=False)
        kept = values[:most] > 1e-9 * max(float(values[0]), 1e-300)
        scale = values[:most][kept] / np.sqrt(len(unit))
        axes = axes[:most][kept] / scale[:, None]
        inputs = (unit - mean) @ axes.T
        weights = [_logistic(inputs, one) for one in properties.T]
        return cls(mean, axes, np.stack(weights))

    def score(self, update: Doubles) -> Doubles:
        """Return the log-odds of each property of an update's client, float64 [properties]."""
        inputs = self.axes @ (_of_length_one(update) - self.mean)
        found: Doubles = self.weights @ np.append(inputs, 1.0)
        return found


def _of_length_one(update: Doubles) -> Doubles:
    length = float(np.linalg.norm(update))
    return update / length if length else update


def _logistic(inputs: Doubles, wanted: np.ndarray) -> Doubles:
    """Return the weights and the constant of a logistic model, by Newton's steps."""
    table = np.column_stack([inputs, np.ones(len(inputs))])
    penalty = np.full(table.shape[1], _PENALTY)
    penalty[-1] = 1e-3
    weights = np.zeros(table.shape[1])
    for _ in range(_STEPS):
        chance = expit(table @ weights)
        slope = table.T @ (wanted - chance) - penalty * weights
        bend = (table * (chance * (1 - chance))[:, None]).T @ table + np.diag(penalty)
        weights = weights + np.linalg.solve(bend, slope)
    return weights


def stratified_area(scores: Doubles, truth: np.ndarray) -> float | None:
    """Return the AUC over the pairs of clients of one property, all properties together.

    How common a property is tells nothing here: one of two clients has it and the other has not.

    >>> stratified_area(np.array([[2.0, 9.0], [1.0, 9.0]]), np.array([[True, True], [False, True]]))
    1.0

    Args:
        scores: float64 [clients, properties].
        truth: bool, likewise.

    Returns:
        None where no property tells two clients apart.
    """
    won, pairs = 0.0, 0
    for column, has in zip(scores.T, truth.T, strict=True):
        apart = column[has][:, None] - column[~has][None]
        won += float((apart > 0).sum()) + float((apart == 0).sum()) / 2
        pairs += apart.size
    return won / pairs if pairs else None
