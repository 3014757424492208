import numpy as np
import peft
import pytest
import torch

from fedbytes.models import build_model, load_base, make_adapter
from fedbytes.models.base import share

TOKENS = torch.arange(4, 34).reshape(3, 10)


@pytest.mark.parametrize("base", ["tiny-bert", "tiny-llama"])
@pytest.mark.parametrize("targets", ["auto", "all-linear"])
def test_lora_computes_what_peft_computes(base, targets):
    frozen = load_base(base)
    ours, theirs = frozen.shared_copy(), frozen.shared_copy()
    adapter = make_adapter("lora", rank=3, alpha=5.0, targets=targets, layers=2)
    trained = adapter.attach(ours)
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=adapter._modules(frozen.model))
    peft.inject_adapter_in_model(config, theirs)
    reference = dict(theirs.named_parameters())
    rng = np.random.default_rng(0)
    for name, tensor in ours.named_parameters():
        if name in trained:
            value = torch.from_numpy(rng.normal(size=tuple(tensor.shape)).astype(np.float32))
            tensor.data.copy_(value)
            reference[name].data.copy_(value)
    with torch.no_grad():
        a, b = (model(input_ids=TOKENS).last_hidden_state for model in (ours, theirs))
        plain = frozen.model(input_ids=TOKENS).last_hidden_state
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(a, plain, atol=1e-2)


def test_lora_starts_as_the_base_model():
    frozen = load_base("tiny-bert")
    ours = frozen.shared_copy()
    adapter = make_adapter("lora")
    held = dict(ours.named_parameters())
    for name, draw in adapter.attach(ours).items():
        held = held or {}
        tensor = dict(ours.named_parameters())[name]
        drawn = draw(np.random.default_rng(0), tensor)
        assert (drawn.abs().sum() == 0) == (".lora_B." in name)
        tensor.data.copy_(drawn)
    with torch.no_grad():
        a, b = (m(input_ids=TOKENS).last_hidden_state for m in (ours, frozen.model))
    assert torch.equal(a, b)


def test_lora_layers_and_rank_say_what_is_trained(colours):
    def layers(**fields):
        names = build_model("tiny-llama", {"name": "lora", **fields}, colours).layout.names
        return sorted({int(name.split(".")[1]) for name in names if name.startswith("layers")})

    assert layers() == [0, 1, 2]
    assert layers(layers=1) == [2]
    assert layers(layers="2") == [1, 2]
    assert layers(layers=[0, 2]) == [0, 2]
    small, large = (
        build_model("tiny-llama", {"name": "lora", "rank": r}, colours).layout.numel for r in (1, 3)
    )
    head = build_model("tiny-llama", "head", colours).layout.numel
    assert large - head == 3 * (small - head)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"alpha": -1.0}, "alpha must be above 0"),
        ({"layers": 9}, "layers=9, but the model has 3"),
        ({"layers": (1, 7)}, "but the model has layers 0 to 2"),
        ({"layers": "some"}, "layers must be all, a number or places"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"targets": ("qurey",)}, "'qurey' matches no linear layer; did you mean 'query'"),
        ({"rnak": 2}, "no field 'rnak'; did you mean 'rank'"),
    ],
)
def test_bad_lora_fields_are_one_line_errors(fields, message):
    with pytest.raises(ValueError, match=message) as error:
        make_adapter({"name": "lora", **fields}).attach(load_base("tiny-bert").shared_copy())
    assert "\n" not in str(error.value)


def test_head_alone_cannot_train_a_language_model(colour_texts):
    with pytest.raises(ValueError, match="adapter 'head' trains nothing of a causal-lm task"):
        build_model("tiny-llama", "head", colour_texts)


def test_a_shared_copy_has_its_own_modules_and_the_same_tensors():
    linear = torch.nn.Sequential(torch.nn.Linear(2, 2))
    copy = share(linear)
    assert copy[0] is not linear[0]
    assert copy[0].weight is linear[0].weight
