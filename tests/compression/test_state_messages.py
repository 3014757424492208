"""Dicts of tensors as messages: types, feedback, and what is refused."""

import warnings

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, decode_state, encode_state, make_codec

TOPK = {"name": "topk", "density": 0.25}


def changes(seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    shapes = {"layer.weight": (6, 4), "layer.bias": (4,), "scale": ()}
    return {
        name: torch.tensor(rng.normal(size=shape), dtype=dtype) for name, shape in shapes.items()
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_a_state_comes_back_in_its_own_types_and_shapes(dtype):
    state = changes(dtype=dtype)
    back = decode_state(encode_state("fp32", state), state, "fp32")
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert back[name].dtype == dtype
        assert torch.equal(back[name], tensor.float().to(dtype))


def test_the_receiver_may_have_the_layout_alone():
    state = changes(dtype=torch.bfloat16)
    back = decode_state(encode_state("fp32", state), Layout.of(state), "fp32")
    assert all(torch.equal(back[name], tensor.float()) for name, tensor in state.items())


def test_the_payload_is_the_codecs_own():
    state, codec = changes(), make_codec(TOPK)
    flat = torch.cat([tensor.reshape(-1) for tensor in state.values()])
    data = encode_state(codec, state, seed=5, round=3, sender=2)
    assert data[40:] == codec.encode(flat, Shared(Layout.of(state), 5, 3, 2))


@pytest.mark.parametrize("feedback", ["ef14", "ef21"])
def test_feedback_sends_later_what_a_message_loses(feedback):
    state, sender, receiver = changes(), {}, {}
    total = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    for round_ in range(40):
        data = encode_state(TOPK, state, round=round_, feedback=feedback, memory=sender)
        back = decode_state(data, state, TOPK, feedback=feedback, memory=receiver)
        total = {name: total[name] + back[name] for name in state}
    for name, tensor in state.items():
        torch.testing.assert_close(total[name] / 40, tensor, atol=0.25, rtol=0)


def test_a_message_is_of_one_codec_layout_seed_round_and_sender():
    state = changes()
    data = encode_state(TOPK, state, seed=1, round=2, sender=3)
    decode_state(data, state, TOPK, seed=1, round=2, sender=3)
    for wrong in ({"seed": 2}, {"round": 1}, {"sender": 4}):
        with pytest.raises(ValueError, match=r"seed|round|sender"):
            decode_state(data, state, TOPK, **{"seed": 1} | wrong)
    with pytest.raises(ValueError, match="layout digest"):
        decode_state(data, {"other": torch.zeros(29)}, TOPK, seed=1)
    with pytest.raises(ValueError, match="codec id"):
        decode_state(data, state, "fp32", seed=1)
    with pytest.raises(ValueError, match="digest"):
        decode_state(data[:-1] + bytes([data[-1] ^ 1]), state, TOPK, seed=1)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.arange(3), "'x' is torch.int64, .* leave it out"),
        ([1.0, 2.0], "'x' is list"),
        (torch.tensor([1.0, np.nan]), "'x' has values that are NaN"),
        (torch.tensor([1e300], dtype=torch.float64), "beyond float32"),
        (torch.eye(2).to_sparse(), r"'x' is sparse: send x\.to_dense"),
    ],
)
def test_what_no_message_holds_is_refused_by_name(tensor, message):
    with pytest.raises(ValueError, match=message):
        encode_state("fp32", {"x": tensor})


def test_memory_is_asked_for_and_kept_at_a_failure():
    with pytest.raises(ValueError, match=r"needs memory=\{\}"):
        encode_state(TOPK, changes(), feedback="ef14")
    memory = {}
    encode_state(TOPK, changes(), feedback="ef14", memory=memory)
    before = {name: tensor.clone() for name, tensor in memory.items()}
    with pytest.raises(ValueError, match="NaN"):
        encode_state(TOPK, {"x": torch.tensor([np.nan])}, feedback="ef14", memory=memory)
    assert all(torch.equal(memory[name], tensor) for name, tensor in before.items())


def test_whole_weights_through_a_lossy_codec_are_warned_of():
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    for state in (dict(module.named_parameters()), {"norm.weight": torch.full((4,), 0.9)}):
        with pytest.warns(UserWarning, match="looks like a weight .* topk .* send the difference"):
            encode_state(TOPK, state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_state(TOPK, {"norm.weight": torch.full((4,), 0.001), **changes()})
        encode_state("fp32", dict(module.named_parameters()))


def test_a_dict_given_to_encode_is_told_of_it():
    state = changes()
    with pytest.raises(ValueError, match=r"a dict of 3 tensors: use encode_state"):
        make_codec("fp32").encode(state, Shared(Layout.of(state)))
