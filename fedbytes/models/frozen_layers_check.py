"""Whether a model computes the same with its constant layers' states substituted."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fedbytes.data.tokens.encoded import EncodedSplit, EncodedTask, Rows
from fedbytes.models.base.text_states import last_states
from fedbytes.models.batching import Batch, make_batch
from fedbytes.models.frozen_layers import FrozenLayers
from fedbytes.process.quiet import quiet_transformers

_TOKENS = 128
_LEAST_ROWS = 4
_MOST_ROWS = 16
_TOLERANCE = 1e-4  # of the states' size; between batches of other shapes they differ by 1e-6


def states_can_be_kept(layers: FrozenLayers, task: EncodedTask, device: torch.device) -> bool:
    """Return whether substituted states give the same last states, in batches of other rows.

    States are kept from batches of texts of similar length and used in shuffled ones, padded with
    zeros, so this is tried: on texts of all lengths, in batches unlike those that the states come
    from. They differ where padding or other texts of a batch change a state (FNet), where layers
    hand on more than states (T5), and where a layer's states have another shape (Longformer).
    Experts of limited capacity, which overflow in large batches only, are not tried.

    Args:
        layers: the constant layers.
        task: its texts.
        device: where the model runs.
    """
    if any("capacity" in field for field in layers.backbone.config.to_dict()):
        return False  # which tokens full experts drop depends on the size of a batch
    split = max((task.test, task.train), key=lambda split: np.ptp(split.lengths))
    rows = _rows_of_all_lengths(split)
    try:
        with torch.inference_mode(), quiet_transformers():
            kept = _states_by_row(layers, split, rows, device)
            return all(
                _agrees(layers, make_batch(split, mixed, device), kept) for mixed in _mixed(rows)
            )
    except torch.OutOfMemoryError:
        raise
    except Exception:  # an architecture whose layers do not fit the scheme fails in many ways
        return False


def _rows_of_all_lengths(split: EncodedSplit) -> Rows:
    """Return some rows, shortest to longest: as many as have about `_TOKENS` tokens together."""
    lengths = split.lengths
    order = np.argsort(lengths, kind="stable")
    wanted = int(_TOKENS / max(float(lengths.mean()), 1))
    count = min(max(wanted, _LEAST_ROWS), _MOST_ROWS, len(order))
    return order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]


def _mixed(rows: Rows) -> Sequence[Rows]:
    """Return batches that each have short and long texts, in another order."""
    batches = (rows[::2][::-1], rows[1::2])
    return [batch for batch in batches if len(batch)]


def _states_by_row(
    layers: FrozenLayers, split: EncodedSplit, rows: Rows, device: torch.device
) -> dict[int, Tensor]:
    """Return each row's states, computed in batches of similar lengths as the cache does."""
    kept: dict[int, Tensor] = {}
    for near in np.array_split(rows, min(2, len(rows))):
        batch = make_batch(split, near, device)
        states = layers.compute_states(batch).float()
        for row, own, length in zip(near, states, batch.mask.sum(1), strict=True):
            kept[int(row)] = own[: int(length)]
    return kept


def _agrees(layers: FrozenLayers, batch: Batch, kept: dict[int, Tensor]) -> bool:
    own = [kept[int(row)] for row in batch.rows]
    states = torch.nn.utils.rnn.pad_sequence(own, batch_first=True)

    def call() -> Tensor:  # not the head's scores, which are zero at first
        found = last_states(layers.backbone, batch.tokens, batch.mask)
        return found[batch.mask == 1].float()

    whole = call()
    substituted = layers.run(states, call)
    size = whole.square().mean().sqrt()
    near = (whole - substituted).abs() <= _TOLERANCE * (whole.abs() + size)
    return bool(near.all())
