"""Packed base weights: what is computed with them, how large they are, and who shares them."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from fedbytes.models import build_model, load_base, make_model_spec, model_spec
from fedbytes.models.base.quantised_base import Quantisation, stored_bytes

KINDS = [
    {"quantise": "nf4"},
    {"quantise": "nf4", "double_quant": True},
    {"quantise": "fp4", "compute_dtype": "bfloat16"},
    {"quantise": "int8"},
]
ALL_LINEAR = {"name": "lora", "rank": 4, "targets": "all-linear"}


def _model(task, name="tiny-llama", adapter=ALL_LINEAR, **fields):
    return build_model({"name": name, "precision": "float32", **fields}, adapter, task)


def _train(model, steps: int) -> None:
    optimizer = torch.optim.AdamW([model.flat], 1e-2)
    batches = model.batches(np.arange(40), 8, np.random.default_rng(0))
    for _ in range(steps):
        model.loss(next(batches)).backward()
        optimizer.step()
        model.flat.grad.zero_()


@pytest.mark.parametrize("fields", KINDS, ids=str)
def test_a_quantised_base_trains_and_lowers_its_loss(colour_texts, fields):
    model = _model(colour_texts, **fields)
    before = model.evaluate()["loss"]  # without gradients: weights must not be repacked for it
    _train(model, 20)
    assert model.evaluate()["loss"] < before - 0.1


@pytest.mark.parametrize("fields", KINDS, ids=str)
def test_gradients_are_those_of_the_unpacked_weights(colour_texts, fields):
    packed = _model(colour_texts, **fields | {"compute_dtype": "float32"})
    whole = _model(colour_texts)
    theirs = dict(whole.network.named_modules())
    for name, layer in packed.network.named_modules():
        if isinstance(layer, nn.Linear) and not layer.weight.is_floating_point():
            rows = torch.eye(layer.in_features)
            unpacked = (layer(rows) - (0 if layer.bias is None else layer.bias)).T
            # The base's own parameters are shared: the copy gets a parameter of its own.
            theirs[name].weight = nn.Parameter(unpacked.detach().contiguous(), requires_grad=False)
    state = packed.initial_state + 0.01
    batch = next(packed.batches(np.arange(40), 8, np.random.default_rng(0)))
    for model in (packed, whole):
        model.set_state(state)
        model.loss(batch).backward()
    assert whole.flat.grad.abs().max() > 0
    torch.testing.assert_close(packed.flat.grad, whole.flat.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("fields", "most"), [*zip(KINDS, [0.11, 0.11, 0.14, 0.01], strict=True)])
def test_weights_are_near_the_whole_ones_and_as_large_as_said(fields, most):
    spec = make_model_spec({"name": "tiny-llama", **fields})
    quantisation = spec.quantisation(torch.float32)
    whole = dict(load_base("tiny-llama", "causal-lm").model.named_modules())
    packed = load_base("tiny-llama", "causal-lm", "cpu", quantisation)
    weights = packed_bytes = 0
    for name, layer in packed.model.named_modules():
        if isinstance(layer, nn.Linear) and not layer.weight.is_floating_point():
            weight = whole[name].weight
            error = torch.linalg.norm(layer(torch.eye(layer.in_features)).T - weight)
            assert error <= most * torch.linalg.norm(weight)
            weights, packed_bytes = (
                weights + weight.numel(),
                packed_bytes + stored_bytes(layer.weight),
            )
    one = load_base("tiny-llama", "causal-lm").info
    assert packed.info.parameters == one.parameters
    assert packed.info.setup_bytes == one.setup_bytes - 4 * weights + packed_bytes
    bits = 8 * packed_bytes / weights
    # 4.5: a float32 scale for 64 weights; double: a byte for it, and little for that of scales.
    expected = {"int8": 8 + 32 / 40}.get(spec.quantise, 4.5)
    assert bits == pytest.approx(4.2 if spec.double_quant else expected, abs=0.2)


def test_the_packed_base_is_shared_by_two_builds_and_stays_as_it_is(colour_texts):
    one, two = _model(colour_texts, quantise="nf4"), _model(colour_texts, quantise="nf4")
    base = load_base("tiny-llama", "causal-lm", "cpu", Quantisation("nf4", False, torch.float32))
    before = [p.detach().clone() for p in base.model.parameters()]
    _train(one, 3)
    pairs = list(zip(_packed(one), _packed(two), strict=True))
    assert len(pairs) == 21
    for left, right in pairs:
        assert left.data_ptr() == right.data_ptr()
        assert left.quant_state.absmax.data_ptr() == right.quant_state.absmax.data_ptr()
    for held, parameter in zip(before, base.model.parameters(), strict=True):
        assert torch.equal(held, parameter)
    assert torch.equal(two.get_state(), two.initial_state)


def _packed(model):
    return [p for p in model.network.parameters() if not p.is_floating_point()]


def test_the_digest_names_the_quantisation():
    digests = {load_base("tiny-bert").info.digest}
    for kind in ("nf4", "int8"):
        quantisation = Quantisation(kind, False, torch.float32)
        digests.add(load_base("tiny-bert", quantisation=quantisation).info.digest)
        assert f"{kind} float32" in str(sorted(digests))
    assert len(digests) == 3


def test_a_folder_is_quantised_as_it_is_read(tmp_path, colours):
    load_base("tiny-bert").model.save_pretrained(tmp_path / "bert")
    folder = _model(colours, str(tmp_path / "bert"), quantise="nf4")
    ours = _model(colours, "tiny-bert", quantise="nf4")
    assert folder.info.digest == ours.info.digest
    assert folder.evaluate() == ours.evaluate()


def test_a_specification_at_its_defaults_is_as_before():
    assert set(model_spec(make_model_spec("minilm"))) == {"name", "device", "precision", "pooling"}
    assert model_spec(make_model_spec({"name": "minilm", "quantise": "nf4"}))["quantise"] == "nf4"


def test_what_cannot_be_is_said_with_the_remedy(colours, monkeypatch):
    with pytest.raises(ValueError, match=r"adapter 'full' cannot train .* or remove quantise"):
        _model(colours, "tiny-bert", "full", quantise="nf4")
    with pytest.raises(ValueError, match=r"does not run on meta, only on .*cpu"):
        load_base(
            "tiny-bert", device="meta", quantisation=Quantisation("nf4", False, torch.float32)
        )
    for kind in ("nf4", "int8"):  # integers stand for a type that the device has no products of
        with pytest.raises(ValueError, match=r"torch.int32 cannot be computed on cpu here: set"):
            load_base("tiny-bert", quantisation=Quantisation(kind, False, torch.int32))
    for fields, message in [
        ({"quantise": "nf5"}, "quantise must be one of none, nf4, fp4, int8, got 'nf5'"),
        ({"double_quant": True}, "double_quant requires quantise nf4 or fp4, got none"),
        ({"quantise": "int8", "double_quant": True}, "requires quantise nf4 or fp4, got int8"),
        (
            {"quantise": "nf4", "double_quant": "yes"},
            "double_quant must be of type bool, got 'yes'",
        ),
        ({"compute_dtype": "float32"}, "compute_dtype requires quantise"),
    ]:
        with pytest.raises(ValueError, match=message):
            make_model_spec({"name": "minilm", **fields})
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"pip install 'fedbytes\[bnb\]'"):
        load_base("tiny-bert", quantisation=Quantisation("fp4", True, torch.float32))
