"""One base over two processes gives the losses and gradients of one process."""

from pathlib import Path

import pytest
import torch
from processes import in_processes

from fedbytes.models import build_model, make_model_spec

ADAPTERS = [{"name": "lora", "targets": "all-linear"}, {"name": "lora", "layers": 1}, "full"]


def everything(**fields):
    """For each adapter a loss, its gradient, metrics, and how many weights are held (split)."""
    import numpy as np
    from colour_task import encode_colours
    from torch.distributed.tensor import DTensor

    torch.set_num_threads(1)
    found = []
    for adapter in ADAPTERS:
        spec = {"name": "tiny-llama", "precision": "float32", "device": "cpu", **fields}
        model = build_model(spec, adapter, encode_colours("causal-lm"))
        model.set_state(model.initial_state + 0.01)
        loss = model.loss(next(model.batches(np.arange(40), 8, np.random.default_rng(0))))
        loss.backward()
        kind = DTensor if fields else torch.Tensor
        frozen = [p for p in model.network.parameters() if not p.requires_grad and p.ndim == 2]
        held = sum(
            getattr(p, "to_local", lambda p=p: p)().numel() for p in frozen if isinstance(p, kind)
        )
        found.append((loss.detach(), model.flat.grad, model.evaluate(), held))
    return found


def test_two_processes_compute_what_one_does(tmp_path: Path):
    ranks = in_processes(2, tmp_path, "test_tensor_parallel", "everything", tensor_parallel=True)
    alone = everything()
    for one, zero, other in zip(alone, *ranks, strict=True):
        assert one[1].abs().max() > 0
        for mine in (zero, other):
            torch.testing.assert_close(mine[:2], one[:2])
            assert mine[2] == pytest.approx(one[2], rel=1e-5)
        assert torch.equal(zero[1], other[1])  # so that what is trained never parts
    embedding = 260 * 32
    assert ranks[0][0][3] == (alone[0][3] - embedding) / 2


def test_what_cannot_be_is_said_with_the_remedy(colours, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match="start with torchrun"):
        build_model({"name": "tiny-bert", "tensor_parallel": True}, "lora", colours)
    with pytest.raises(ValueError, match="cannot be combined with device_map or quantise"):
        make_model_spec({"name": "minilm", "tensor_parallel": True, "quantise": "nf4"})
