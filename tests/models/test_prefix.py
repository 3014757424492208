import os

import numpy as np
import pytest
import torch

from fedbytes.data.manifest import is_whole
from fedbytes.models import build_model
from fedbytes.models.batching import make_batch

CPU = torch.device("cpu")
ADAPTERS = [
    "head",
    {"name": "lora", "layers": 1},
    {"name": "lora", "layers": 2, "targets": "all-linear"},
    {"name": "lora", "layers": [1]},
]


def pair(base, adapter, task):
    whole = build_model(base, adapter, task, seed=2, prefix_cache=False)
    short = build_model(base, adapter, task, seed=2)
    assert whole._prefix is None
    return whole, short


@pytest.mark.parametrize("base", ["tiny-bert", "tiny-llama"])
@pytest.mark.parametrize("adapter", ADAPTERS, ids=str)
def test_loss_gradient_and_metrics_are_those_of_the_whole_model(colours, base, adapter):
    whole, short = pair(base, adapter, colours)
    assert short._prefix is not None
    state = whole.get_state() + 0.1 * torch.linspace(-1, 1, whole.layout.numel)
    grads = []
    for model in (whole, short):
        model.set_state(state)
        loss = model.loss(make_batch(colours.train, np.array([3, 0, 11, 5]), CPU))
        loss.backward()
        grads.append((loss.detach(), model.flat.grad))
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-6)
    assert whole.evaluate() == pytest.approx(short.evaluate(), rel=1e-5)


def test_language_model_too(colour_texts):
    whole, short = pair("tiny-llama", {"name": "lora", "layers": 1}, colour_texts)
    assert short._prefix is not None
    assert whole.evaluate() == pytest.approx(short.evaluate(), rel=1e-5)


def test_the_constant_layers_are_not_run(colours):
    _, short = pair("tiny-bert", {"name": "lora", "layers": 1}, colours)
    short.evaluate()
    runs = []
    for layer in short.network.backbone.encoder.layer:
        layer.attention.register_forward_hook(lambda *_: runs.append(1))
    short.evaluate()
    batches = len(runs)
    assert batches >= 1
    again = build_model("tiny-bert", {"name": "lora", "layers": 1}, colours)
    for layer in again.network.backbone.encoder.layer[:2]:
        layer.attention.register_forward_hook(lambda *_: runs.append(1))
    again.evaluate()
    assert len(runs) == batches, "a second model computed the states again"


@pytest.mark.parametrize("adapter", ["full", "lora", {"name": "lora", "layers": [0]}])
def test_nothing_is_cached_where_the_lowest_layer_is_trained(colours, adapter):
    assert build_model("tiny-bert", adapter, colours)._prefix is None


def test_no_cache_beyond_the_limit_and_the_same_result(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    monkeypatch.setenv("FEDBYTES_PREFIX_BYTES", "100")
    whole, short = pair("tiny-bert", {"name": "lora", "layers": 1}, colours)
    assert whole.evaluate() == pytest.approx(short.evaluate(), rel=1e-5)
    assert not list(tmp_path.glob("prefix/*/states.npy"))
    monkeypatch.setenv("FEDBYTES_PREFIX_BYTES", "many")
    with pytest.raises(ValueError, match="FEDBYTES_PREFIX_BYTES must be bytes, got 'many'"):
        build_model("tiny-bert", {"name": "lora", "layers": 1}, colours).evaluate()


def test_the_oldest_cache_makes_room(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    one = 4 * 32 * len(colours.test.tokens)
    monkeypatch.setenv("FEDBYTES_PREFIX_BYTES", str(2 * one + 999))
    for layers in (1, 2):
        build_model("tiny-bert", {"name": "lora", "layers": layers}, colours).evaluate()
    kept = {path.parent for path in tmp_path.glob("prefix/*/states.npy")}
    assert len(kept) == 2
    oldest = min(kept, key=lambda path: path.stat().st_mtime_ns)
    os.utime(oldest, ns=(1, 1))
    build_model("tiny-bert", "head", colours).evaluate()
    left = {path.parent for path in tmp_path.glob("prefix/*/states.npy")}
    assert len(left) == 2
    assert oldest not in left


def test_a_damaged_cache_is_computed_again(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    good = build_model("tiny-llama", {"name": "lora", "layers": 1}, colours).evaluate()
    (file,) = tmp_path.glob("prefix/*/states.npy")
    os.truncate(file, 500)
    assert not is_whole(file.parent)
    assert build_model("tiny-llama", {"name": "lora", "layers": 1}, colours).evaluate() == good
