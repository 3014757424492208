import os
import shutil
import time
from threading import Thread

import numpy as np
import pytest
import torch
import transformers

from fedbytes.data.assets.manifest import is_whole
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import SIZES
from fedbytes.models.batching import make_batch
from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.frozen_layers import FrozenLayers
from fedbytes.process.leases.shared_folder import alone_in

CPU = torch.device("cpu")
ADAPTERS = [
    "head",
    {"name": "lora", "layers": 1},
    {"name": "lora", "layers": 2, "targets": "all-linear"},
    {"name": "lora", "layers": [1]},
]


def pair(base, adapter, task):
    whole = build_model(base, adapter, task, seed=2, layer_cache=False)
    short = build_model(base, adapter, task, seed=2)
    assert not whole.keeps_states
    return whole, short


@pytest.mark.parametrize("base", ["tiny-bert", "tiny-llama"])
@pytest.mark.parametrize("adapter", ADAPTERS, ids=str)
def test_loss_gradient_and_metrics_are_those_of_the_whole_model(colours, base, adapter):
    whole, short = pair(base, adapter, colours)
    assert short.keeps_states
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
    assert short.keeps_states
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
    assert not build_model("tiny-bert", adapter, colours).keeps_states


def test_no_cache_beyond_the_limit_and_the_same_result(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    monkeypatch.setenv("FEDBYTES_PREFIX_BYTES", "100")
    whole, short = pair("tiny-bert", {"name": "lora", "layers": 1}, colours)
    assert whole.evaluate() == pytest.approx(short.evaluate(), rel=1e-5)
    assert not list(tmp_path.glob("prefix/*/states.npy"))
    monkeypatch.setenv("FEDBYTES_PREFIX_BYTES", "many")
    with pytest.raises(
        ValueError, match="FEDBYTES_PREFIX_BYTES must be a number of bytes, got 'many'"
    ):
        build_model("tiny-bert", {"name": "lora", "layers": 1}, colours).evaluate()


def test_the_oldest_cache_makes_room(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    one = 4 * 32 * len(colours.test.tokens)
    monkeypatch.setenv("FEDBYTES_LAYER_CACHE_BYTES", str(2 * one + 999))
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


def test_preparing_computes_both_splits_and_says_how_far_it_is(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    model = build_model("tiny-bert", {"name": "lora", "layers": 1}, colours)
    seen = []
    model.prepare(lambda *where: seen.append(where))
    assert {split for split, _, _ in seen} == {"train", "test"}
    assert seen[-1] == ("test", len(colours.test.tokens), len(colours.test.tokens))
    assert len(list(tmp_path.glob("prefix/*/states.npy"))) == 2
    seen.clear()
    build_model("tiny-bert", {"name": "lora", "layers": 1}, colours).prepare(
        lambda *where: seen.append(where)
    )
    assert not seen


FOREIGN = {
    "AlbertConfig": {"embedding_size": 16, "num_attention_heads": 4},  # one layer, used thrice
    "DebertaV2Config": {"num_attention_heads": 4, "relative_attention": True},  # layers give pairs
    "DistilBertConfig": {"dim": 32, "hidden_dim": 64, "n_layers": 3, "n_heads": 4},
    "GPT2Config": {"n_embd": 32, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2},
    "Gemma3TextConfig": {  # what a layer is given depends on its place
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
}


def test_a_split_that_another_process_computes_is_left_to_it(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    model = build_model("tiny-bert", {"name": "lora", "layers": 1}, colours)
    order = []
    model.prepare(lambda split, *_: order.append(split))
    train = order[0]
    folder = max((tmp_path / "prefix").glob("*/states.npy"), key=lambda p: p.stat().st_size).parent
    shutil.rmtree(tmp_path / "prefix")
    folder.parent.mkdir()

    # As if another process were at the train split.
    with alone_in(folder.parent, folder.name):
        again = build_model("tiny-bert", {"name": "lora", "layers": 1}, colours)
        seen = []
        waiting = Thread(target=again.prepare, args=(lambda split, *_: seen.append(split),))
        waiting.start()
        deadline = time.monotonic() + 30
        while "test" not in seen and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen
        assert train not in seen
    waiting.join()
    assert train in seen


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_architectures_give_the_same_with_the_cache_or_go_without(colours, tmp_path, kind):
    sizes = {"vocab_size": 260} if "n_layer" in str(FOREIGN[kind]) else SIZES
    config = getattr(transformers, kind)(**sizes, **FOREIGN[kind])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    layers = "all" if kind == "AlbertConfig" else 1
    whole, short = pair(str(tmp_path), {"name": "lora", "layers": layers}, colours)
    assert short.keeps_states == (kind != "AlbertConfig")
    state = whole.get_state() + 0.1 * torch.linspace(-1, 1, whole.layout.numel)
    for model in (whole, short):
        model.set_state(state)
        model.loss(make_batch(colours.train, np.array([3, 0, 11, 5]), CPU)).backward()
    assert whole.evaluate() == pytest.approx(short.evaluate(), rel=1e-5)
    torch.testing.assert_close(whole.flat.grad, short.flat.grad, rtol=1e-3, atol=1e-4)


def test_layers_are_restored(colours):
    """A model's own layers run again once the substitution is undone, in the right order only."""
    model = build_model("tiny-bert", "head", colours, layer_cache=False)
    layers = model.network.backbone.encoder.layer
    frozen = FrozenLayers(model.network.backbone, 2)
    assert "forward" in vars(layers[0])
    undo = replace_forward(layers[0], lambda states, **_: states)
    with pytest.raises(RuntimeError, match="replaced again"):
        frozen.detach()
    undo()
    frozen.detach()
    assert not any("forward" in vars(layer) for layer in layers)


def test_the_former_name_of_the_switch_still_works(colours):
    adapter = {"name": "lora", "layers": 1}
    assert not build_model("tiny-bert", adapter, colours, prefix_cache=False).keeps_states
    assert build_model("tiny-bert", adapter, colours, prefix_cache=True).keeps_states
