"""Influence: a client drops the examples whose gradient points away from a trusted set's."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.defenses.cleaner_parts.dropping import keep_lowest
from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded


@CLEANERS.register("influence")
@dataclass(frozen=True)
class Influence(Cleaner):
    """Drop a share of a client's examples, those that would raise the loss of trusted ones most.

    By one step along an example's gradient g the mean loss of the trusted examples changes by
    - g · t, with t their gradient (TracIn, Pruthi et al. 2020, arXiv:2002.08484, at one model).
    Products of 0.4, -0.2 and 0.1 at `drop: 0.34` leave the first and third. Gradients are of what
    is trained, by the model that the client was sent.

    The server draws the trusted examples once a run, of its own if the task gives it some, else of
    those of honest clients, and sends them as tokens and classes before a client trains first: a
    message of kind `root` in the ledger.

    Attributes:
        drop: share of the client's examples, in [0, 1); of n, floor(drop * n) are dropped.
        root_examples: how many trusted examples, all that there are if these are fewer.
        from_round: the first round that it drops in.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"root_examples": 8, "from_round": 1},
        {"root_examples": 3, "drop": 0.3},
    )
    reads_texts: ClassVar[bool] = True

    drop: float = bounded(0.1, least=0, below=1)
    root_examples: int = bounded(100, least=1)
    from_round: int = bounded(2, least=1)

    @property
    def trusts(self) -> int:
        """How many examples the server sends."""
        return self.root_examples

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep the examples of the largest products."""
        if context.round < self.from_round:
            return indices, state
        assert context.root is not None
        trusted = _gradient(context, context.root)
        model, rng = context.model, context.rng()
        scores = np.empty(len(indices))
        for place, row in enumerate(indices):
            batch = next(model.batches(np.array([row]), 1, rng))
            scores[place] = -float(_gradient(context, batch).double() @ trusted.double())
        return keep_lowest(indices, scores, self.drop), state


def _gradient(context: StageContext, batch: Any) -> Tensor:
    """Return the gradient of a batch's loss [numel]; the model's own is left at zero."""
    flat = context.model.flat
    assert flat.grad is not None
    flat.grad.zero_()
    context.model.loss(batch).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        gradient = flat.grad.detach().clone()
        flat.grad.zero_()
    return gradient
