"""Activations that are computed again: the same gradients, from less memory."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from fedbytes.models import build_model
from fedbytes.models.base.activation_checkpointing import checkpoint_layers

ADAPTERS = ["full", {"name": "lora", "targets": "all-linear"}, {"name": "lora", "layers": 1}]


def _held(model, batch) -> int:
    """Bytes that autograd keeps of a forward pass, each tensor once; the model's own not."""
    seen: dict[int, int] = {}
    own = {t.untyped_storage().data_ptr() for t in [*model.network.parameters(), model.flat]}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.loss(batch)
    return sum(seen.values())


@pytest.mark.parametrize("adapter", ADAPTERS, ids=str)
@pytest.mark.parametrize("name", ["tiny-llama", "tiny-bert"])
def test_gradients_are_the_same(colours, name, adapter):
    gradients, metrics = [], []
    for again in (False, True):
        spec = {"name": name, "gradient_checkpointing": again, "precision": "float32"}
        model = build_model(spec, adapter, colours)
        model.set_state(model.initial_state + 0.01)
        for batch in islice(model.batches(np.arange(40), 8, np.random.default_rng(0)), 2):
            model.loss(batch).backward()
        gradients.append(model.flat.grad)
        metrics.append(model.evaluate())
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients)
    assert metrics[0] == metrics[1]


def test_less_is_kept_for_the_way_back(colours):
    kept = []
    for again in (False, True):
        spec = {"name": "tiny-llama", "gradient_checkpointing": again, "precision": "float32"}
        model = build_model(spec, ADAPTERS[1], colours)
        batch = next(model.batches(np.arange(40), 16, np.random.default_rng(0)))
        kept.append(_held(model, batch))
    inputs = 3 * batch.tokens.numel() * 32 * 4  # of each layer, which the hooks do not see
    assert kept[1] + inputs < kept[0] / 3


def test_a_quantised_base_can_be_checkpointed(colour_texts):
    gradients = []
    for again in (False, True):
        spec = {"name": "tiny-llama", "quantise": "nf4", "gradient_checkpointing": again}
        model = build_model(spec, ADAPTERS[1], colour_texts)
        model.loss(next(model.batches(np.arange(40), 8, np.random.default_rng(0)))).backward()
        gradients.append(model.flat.grad)
    torch.testing.assert_close(*gradients)


def test_a_model_without_layers_is_refused():
    with pytest.raises(ValueError, match="Linear has no known stack of layers"):
        checkpoint_layers(nn.Linear(2, 2))
