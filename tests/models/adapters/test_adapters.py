import numpy as np
import peft
import pytest
import torch

from fedbytes.models import ADAPTERS, build_model, load_base, make_adapter
from fedbytes.models.adapters.lora_xs import singular_factors
from fedbytes.models.base.base_model import copy_modules
from fedbytes.models.batching import make_batch

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
        ({"layers": "some"}, "layers must be all, a number or a list of indices"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"targets": ("qurey",)}, "'qurey' matches no linear layer; did you mean 'query'"),
        ({"rnak": 2}, "no field 'rnak'; did you mean 'rank'"),
    ],
)
def test_bad_lora_fields_are_one_line_errors(fields, message):
    with pytest.raises(ValueError, match=message) as error:
        make_adapter({"name": "lora", **fields}).attach(load_base("tiny-bert").shared_copy())
    assert "\n" not in str(error.value)


def test_one_factor_trains_beside_the_other_as_the_seed_drew_it(colours):
    for train, frozen in (("a", "lora_B"), ("b", "lora_A")):
        one, same, other = (
            build_model("tiny-bert", {"name": "lora", "train": train}, colours, seed=seed)
            for seed in (1, 1, 2)
        )
        names = one.layout.names
        assert not any(frozen in name for name in names)
        assert any(f"lora_{train.upper()}" in name for name in names)
        assert not one.initial_state[: -one.network.head.weight.numel() - 4].any()
        a, b, c = (
            next(p for n, p in m.network.named_buffers() if frozen in n) for m in (one, same, other)
        )
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert not a.requires_grad


def test_rslora_scales_by_the_root_of_the_rank():
    scales = []
    for use_rslora in (False, True):
        model = load_base("tiny-bert").shared_copy()
        make_adapter("lora", rank=4, alpha=8.0, use_rslora=use_rslora).attach(model)
        scales.append(model.encoder.layer[0].attention.self.query.scaling["default"])
    assert scales == [2.0, 4.0]


def test_runs_from_before_the_new_fields_keep_their_ids():
    spec = {"name": "lora", "rank": 8, "alpha": None, "targets": "auto", "layers": "all"}
    assert ADAPTERS.spec(make_adapter("lora")) == spec
    assert ADAPTERS.spec(make_adapter("lora", train="b"))["train"] == "b"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bitfit", "which a llama model lacks there: use ia3"),
        ({"name": "vera", "rank": 0}, "rank must be at least 1, got 0"),
        ({"name": "vera", "d_initial": 0}, "d_initial must not be 0"),
        (
            {"name": "lora_xs", "rank": 17},
            "rank=17 exceeds the rank of layer .*v_proj: set adapter.rank to at most 16",
        ),
        (
            {"name": "ia3", "targets": ["k_prj"]},
            "'k_prj' matches no linear layer; did you mean 'k_",
        ),
        ({"name": "dora", "layers": 4}, "dora layers=4, but the model has 3"),
        ({"name": "lora", "train": "c"}, "train must be one of both, a, b, got 'c'"),
        ({"name": "peft"}, "needs method"),
        ({"name": "peft", "method": "lohaa"}, "no method 'LOHAA'; did you mean 'LOHA'"),
        ({"name": "peft", "method": "XLORA"}, "XLORA does not fit: it mixes adapters"),
        ({"name": "peft", "method": "LOHA", "options": {"rr": 1}}, "LOHA has no option 'rr'"),
        ({"name": "peft", "method": "LOHA", "options": 3}, "options must be a mapping"),
        (
            {"name": "peft", "method": "LOHA", "options": {"target_modules": ["q"]}},
            "with targets, not in options",
        ),
        (
            {"name": "peft", "method": "LOHA", "options": {"module_dropout": 0.1}},
            "dropout is not supported",
        ),
        ({"name": "peft", "method": "C3A"}, "peft C3A: The block size should be a factor"),
        (
            {"name": "peft", "method": "LORA", "options": {"init_lora_weights": "pissa"}},
            "peft LORA with these options rewrites the shared base",
        ),
    ],
    ids=str,
)
def test_bad_fields_of_other_adapters_are_one_line_errors(spec, message):
    base = load_base("tiny-llama")
    before = base.model.layers[0].self_attn.q_proj.weight.clone()
    with pytest.raises(ValueError, match=message) as error:
        make_adapter(spec).attach(base.shared_copy())
    assert "\n" not in str(error.value)
    assert torch.equal(base.model.layers[0].self_attn.q_proj.weight, before)


def test_layers_and_targets_choose_for_every_method(colours):
    def trained(spec, base="tiny-bert"):
        return [n for n in build_model(base, spec, colours).layout.names if "head" not in n]

    loha = {"name": "peft", "method": "LOHA", "targets": ["key"], "layers": [1]}
    assert {name.split(".hada")[0] for name in trained(loha)} == {
        "encoder.layer.1.attention.self.key"
    }
    norms = trained({"name": "peft", "method": "LN_TUNING", "layers": 1})
    assert norms
    assert all("layer.2." in name for name in norms)
    assert all("layer.2." in n for n in trained({"name": "bitfit", "layers": 1}))
    assert any(n.startswith("embeddings.LayerNorm") for n in trained("bitfit"))
    parts = ("attention.self.key", "attention.self.value", "output.dense")
    assert trained({"name": "ia3", "layers": 1}) == [
        f"encoder.layer.2.{part}.ia3_l" for part in parts
    ]
    assert {n.split(".")[3] for n in trained("ia3", "tiny-llama")} == {
        "k_proj", "v_proj", "down_proj"
    }  # fmt: skip


def test_options_keep_their_order_and_types_in_the_specification():
    spec = {"name": "peft", "method": "loha", "options": {"r": 4, "rank_pattern": {"a": 2}}}
    held = ADAPTERS.spec(make_adapter(spec))
    assert held["method"] == "LOHA"
    assert held["options"] == spec["options"]
    assert make_adapter(held) == make_adapter(spec)


def test_lora_xs_lies_between_the_first_singular_vectors(colours):
    weight = load_base("tiny-bert").model.encoder.layer[0].attention.self.query.weight
    down, up = singular_factors(weight, 32)
    torch.testing.assert_close(up @ down, weight, rtol=1e-4, atol=1e-6)
    down, up = singular_factors(weight, 3)
    torch.testing.assert_close(down @ down.t(), torch.eye(3), rtol=0, atol=1e-5)
    error = torch.linalg.matrix_norm(weight - up @ down, 2)
    torch.testing.assert_close(error, torch.linalg.svdvals(weight)[3], rtol=1e-4, atol=1e-6)
    model = build_model("tiny-bert", {"name": "lora_xs", "rank": 3}, colours)
    assert {s for n, s in model.layout.shapes.items() if "lora_xs" in n} == {(3, 3)}


def test_head_alone_cannot_train_a_language_model(colour_texts):
    with pytest.raises(ValueError, match="adapter 'head' trains no parameter of a causal-lm task"):
        build_model("tiny-llama", "head", colour_texts)


def test_a_shared_copy_has_its_own_modules_and_the_same_tensors():
    linear = torch.nn.Sequential(torch.nn.Linear(2, 2))
    copy = copy_modules(linear)
    assert copy[0] is not linear[0]
    assert copy[0].weight is linear[0].weight


@pytest.mark.parametrize("name", ["dora", "vera", "ia3", "lora_xs"])
@pytest.mark.parametrize("quantise", ["nf4", "int8"])
def test_adapters_start_from_and_train_beside_packed_weights(name, quantise, colours):
    spec = {"name": "tiny-llama", "quantise": quantise, "precision": "float32"}
    model, plain = (build_model(spec, adapter, colours) for adapter in (name, "head"))
    batch = make_batch(colours.train, np.arange(4), torch.device("cpu"))
    with torch.no_grad():
        a, b = (
            m.network.backbone(input_ids=batch.tokens, attention_mask=batch.mask)[0]
            for m in (model, plain)
        )
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    model.set_state(model.initial_state + 0.01)
    model.loss(batch).backward()
    assert model.flat.grad[0].abs() > 0
