"""Bases kept elsewhere compute what they compute at home, and leave when they have."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedbytes.models import build_model, load_base, make_model_spec
from fedbytes.models.base.offload import Offload, offload_weights
from fedbytes.models.base.tiny_bases import tiny_model

ADAPTERS = ["full", {"name": "lora", "targets": "all-linear"}]


def _step(task, adapter, **fields):
    """The gradient of a batch and the metrics."""
    spec = {"name": "tiny-llama", "precision": "float32", **fields}
    model = build_model(spec, adapter, task)
    model.set_state(model.initial_state + 0.01)
    model.loss(next(model.batches(np.arange(40), 8, np.random.default_rng(0)))).backward()
    return model, model.flat.grad, model.evaluate()


@pytest.mark.parametrize("again", [False, True], ids=["kept", "checkpointed"])
@pytest.mark.parametrize("adapter", ADAPTERS, ids=str)
@pytest.mark.parametrize("place", ["cpu", "disk", "auto"])
def test_losses_and_gradients_are_the_same(tmp_path, colour_texts, place, adapter, again):
    _, gradient, metrics = _step(colour_texts, adapter)
    fields = {"device_map": place, "offload_folder": str(tmp_path)}
    model, other, others = _step(colour_texts, adapter, gradient_checkpointing=again, **fields)
    assert gradient.abs().max() > 0
    torch.testing.assert_close(other, gradient)
    assert others == metrics
    frozen = [p for p in model.network.parameters() if not p.requires_grad]
    if adapter != "full":
        assert frozen
        assert all(p.is_meta for p in frozen)  # nothing stays where it was computed


def test_weights_on_disk_are_written_once_and_mapped(tmp_path, colour_texts):
    fields = {"device_map": "disk", "offload_folder": str(tmp_path / "new")}
    _step(colour_texts, ADAPTERS[1], **fields)
    (file,) = (tmp_path / "new").iterdir()
    written = file.stat().st_mtime_ns
    base = load_base("tiny-llama", "causal-lm", "cpu", None, Offload("disk", str(tmp_path / "new")))
    assert file.stat().st_size == pytest.approx(base.info.setup_bytes, rel=0.05)
    assert sum(p.numel() for p in base.model.parameters()) == base.info.parameters
    if sys.platform == "linux":
        assert str(file) in Path("/proc/self/maps").read_text(encoding="utf-8")
    _step(colour_texts, ADAPTERS[1], **fields)
    assert file.stat().st_mtime_ns == written


def test_auto_fills_memory_and_puts_the_rest_on_disk(tmp_path):
    from transformers import AutoModelForCausalLM

    model = tiny_model("tiny-llama", AutoModelForCausalLM)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    room = sum(p.nbytes for p in model.parameters()) // 2
    offload_weights(model, Offload("auto", str(tmp_path)), "digest", {"cpu": room})
    (file,) = tmp_path.iterdir()
    assert 0 < file.stat().st_size < 2 * room
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
    with pytest.raises(ValueError, match="set offload_folder"):
        offload_weights(model, Offload("auto"), "digest", {"cpu": room})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"device_map": "disk"}, "device_map=disk requires offload_folder"),
        ({"device_map": True}, "device_map must be one of none, auto, cpu, disk, got True"),
        ({"device_map": "gpu"}, "device_map must be one of none, auto, cpu, disk, got 'gpu'"),
        (
            {"device_map": "cpu", "quantise": "nf4"},
            "device_map=cpu cannot be combined with quantise=nf4; remove one",
        ),
    ],
)
def test_what_cannot_be_is_said_with_the_remedy(fields, message):
    with pytest.raises(ValueError, match=message):
        make_model_spec({"name": "minilm", **fields})
