"""Batches are run from kept states, from computed ones where none fit, and from shifted ones."""

import numpy as np
import pytest
import torch

from fedbytes.models import build_model
from fedbytes.models.batching import make_batch
from fedbytes.models.constant_states.split_states import SplitStates

CPU = torch.device("cpu")


def build(task, **options):
    """A model whose head is no longer zero, so that its scores show its states."""
    made = build_model("tiny-bert", {"name": "lora", "layers": 1}, task, seed=2, **options)
    made.set_state(made.get_state() + 0.1 * torch.linspace(-1, 1, made.layout.numel))
    return made


@pytest.fixture
def model(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    return build(colours)


@pytest.fixture
def batch(colours):
    return make_batch(colours.train, np.array([3, 0, 11, 5]), CPU)


def scores_of(model, batch, shift=None):
    states = model.constant_states
    return states.run(batch, lambda: model.network(batch.tokens, batch.mask), shift).detach()


def test_a_batch_is_the_same_from_kept_states_as_whole(colours, model, batch):
    whole = build(colours, layer_cache=False)
    expected = whole.network(batch.tokens, batch.mask).detach()
    assert expected.std() > 0.01
    torch.testing.assert_close(scores_of(model, batch), expected)
    model.constant_states.detach()
    assert torch.equal(model.network(batch.tokens, batch.mask).detach(), expected)


def test_a_split_is_opened_once_and_both_by_preparing(model):
    told = []
    model.constant_states.prepare(lambda split, done, total: told.append(split))
    assert sorted(set(told)) == ["test", "train"]
    before = len(told)
    opened = model.constant_states.open("train", lambda *_: told.append("again"))
    assert opened is not None
    assert opened is model.constant_states.open("train")
    assert len(told) == before


@pytest.mark.parametrize("limit", ["100", "1e9"])  # bytes: none fit, all do
def test_what_is_shifted_is_the_states(model, batch, monkeypatch, limit):
    monkeypatch.setenv("FEDBYTES_LAYER_CACHE_BYTES", limit)
    kept: SplitStates = model.constant_states
    assert (kept.open("train") is None) == (limit == "100")
    seen = []
    same = scores_of(model, batch, lambda states, mask: seen.append(states) or states)
    torch.testing.assert_close(same, scores_of(model, batch))
    assert seen[0].shape == (*batch.tokens.shape, 32)
    moved = scores_of(model, batch, lambda states, mask: states + torch.linspace(-1, 1, 32))
    assert not torch.allclose(moved, same)
