"""What a processor lacks: found when a model is made, and computed otherwise or refused."""

from functools import partial

import numpy as np
import pytest
import torch
from colour_task import encode_colours
from lesser import PROCESSORS, on_processor
from torch import nn

from fedbytes.models import build_model
from fedbytes.models.base.capability import can_compute, can_multiply, can_run_lstm, can_step
from fedbytes.models.base.device import pick_precision
from fedbytes.models.batching import make_batch

CPU = torch.device("cpu")
ADAPTER = {"name": "p_tuning", "length": 4, "encoder": "lstm", "encoder_hidden": 8}
BFLOAT16_LSTM = pytest.mark.skipif(
    not can_run_lstm(CPU, torch.bfloat16, 32, 8, 2),
    reason="no LSTM in bfloat16 on this processor, or in this build of torch",
)


def trained(base: str, precision: str = "bfloat16"):
    """Return what a prompted model makes here, and in which types."""
    task = encode_colours("classification")
    model = build_model({"name": base, "precision": precision, "device": "cpu"}, ADAPTER, task)
    model.set_state(model.initial_state + 0.1 * torch.arange(model.layout.numel).cos())
    types = {}
    for place, layer in model.network.backbone.prompt_encoder.named_modules():
        if isinstance(layer, nn.LSTM | nn.Linear):
            layer.register_forward_hook(_noting(types, place))
    asked = can_run_lstm.cache_info().misses
    loss = model.loss(make_batch(task.train, np.arange(6), CPU))
    loss.backward()
    found = model.evaluate()["loss"]
    return {
        "can": can_run_lstm(CPU, torch.bfloat16, 32, 8, 2),
        "asked": can_run_lstm.cache_info().misses - asked,
        "types": {place: str(dtype) for place, dtype in types.items()},
        "loss": loss.item(),
        "evaluated": found,
        "gradient": model.flat.grad,
    }


def _noting(types, place):
    def hook(layer, inputs, output):
        types[place] = (output[0] if isinstance(output, tuple) else output).dtype

    return hook


def both():
    return {base: trained(base) for base in ("tiny-bert", "tiny-llama")}


@pytest.mark.parametrize("processor", PROCESSORS)
def test_an_lstm_is_computed_in_float32_where_there_is_none_in_bfloat16(tmp_path, processor):
    for base, found in on_processor(processor, tmp_path, "test_capability", "both").items():
        if found["can"]:
            pytest.skip("this build of torch has an LSTM in bfloat16 for lesser processors too")
        assert found["asked"] == 0, "it was known when the model was made"
        assert found["types"].pop("lstm_head") == "torch.float32"
        assert set(found["types"].values()) == {"torch.bfloat16"}, "all else is as it was asked for"
        whole = trained(base, "float32")
        for key in ("loss", "evaluated"):
            assert found[key] == pytest.approx(whole[key], rel=0.02)
        difference = torch.linalg.norm(found["gradient"] - whole["gradient"])
        assert 0 < difference < 0.05 * torch.linalg.norm(whole["gradient"])


@BFLOAT16_LSTM
def test_an_lstm_is_computed_in_bfloat16_where_there_is_one():
    found = trained("tiny-bert")
    assert set(found["types"].values()) == {"torch.bfloat16"}
    assert found["asked"] == 0


def test_an_answer_is_of_both_ways_and_draws_nothing():
    class OneWay(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, *gradients):
            raise RuntimeError("could not create a primitive")

    x = torch.zeros(2)
    assert can_compute(torch.exp, x)
    assert not can_compute(OneWay.apply, x)
    with torch.inference_mode():
        assert can_compute(torch.exp, x)
    before = torch.get_rng_state()
    can_run_lstm.__wrapped__(CPU, torch.float32, 3, 2, 1)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(torch.OutOfMemoryError):
        can_compute(_full, x)


def test_an_optimiser_that_takes_no_step_is_known():
    fused = partial(torch.optim.AdamW, fused=True)
    assert can_step(_over(fused), CPU)
    meta = torch.device("meta")  # which has none that is fused
    assert not can_step(_over(fused), meta)


def _over(optimizer):
    return lambda flat: optimizer([flat])


def _full(x):
    raise torch.OutOfMemoryError("full")


def test_a_precision_that_is_not_computed_on_a_device_is_refused():
    assert can_multiply(CPU, torch.float32)
    meta = torch.device("meta")  # which autocast does not know
    assert not can_multiply(meta, torch.bfloat16)
    with pytest.raises(ValueError, match="precision=bfloat16 cannot be computed on meta here: set"):
        pick_precision("bfloat16", meta)
    assert pick_precision("auto", meta) == torch.float32
