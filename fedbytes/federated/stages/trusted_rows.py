"""The examples that the server trusts: its own, or copies of some that honest clients hold."""

from typing import Any

import numpy as np

from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.root_examples import RootExamples
from fedbytes.models import Batch
from fedbytes.models.batching import make_batch
from fedbytes.streams import stream


def trusted_rows(fed: Federation) -> np.ndarray:
    """Return the training examples that the server can trust, sorted int64.

    They are its own where the task gives it some. Else they are those of honest clients, of which
    it was given copies before the first round.
    """
    if len(fed.server_rows):
        return fed.server_rows
    if "trusted rows" not in (kept := fed.population.kept):
        hostile = frozenset[int]().union(*fed.population.hostile)
        held = [part for client, part in enumerate(fed.parts) if client not in hostile]
        kept["trusted rows"] = np.unique(np.concatenate(held))
    found: np.ndarray = kept["trusted rows"]
    return found


def root_examples(fed: Federation) -> RootExamples | None:
    """Return what clients are sent of them, drawn once a run; None if no cleaner asks for any."""
    count = fed.plugins.root_examples
    if not count:
        return None
    model: Any = fed.model
    chosen = stream(fed.seed, "root examples").permutation(trusted_rows(fed))[:count]
    return RootExamples.of(model.task.train, np.sort(chosen))


def root_batch(fed: Federation, payload: bytes) -> Batch:
    """Return what a client was sent, as a batch of its model."""
    split = RootExamples.open(payload).split
    return make_batch(split, np.arange(len(split)), fed.model.flat.device)
