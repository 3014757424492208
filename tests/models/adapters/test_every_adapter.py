"""What holds for every registered adapter, on an encoder and a decoder."""

import numpy as np
import pytest
import torch

from fedbytes.models import ADAPTERS, build_model, load_base, make_adapter
from fedbytes.models.adapters.peft import supported_methods
from fedbytes.models.batching import make_batch

CPU = torch.device("cpu")
BASES = ("tiny-bert", "tiny-llama")
SPECS = [
    "full",
    "bitfit",
    "matrices",
    "lora",
    {"name": "lora", "train": "a"},
    {"name": "lora", "train": "b", "use_rslora": True},
    "dora",
    {"name": "vera", "rank": 16},
    "ia3",
    "lora_xs",
    {"name": "prompt_tuning", "length": 4},
    {"name": "p_tuning", "length": 4, "encoder_hidden": 16},
    {"name": "p_tuning", "length": 4, "encoder_hidden": 16, "encoder": "lstm"},
    {"name": "prefix_tuning", "length": 4},
    {"name": "projected_prompt", "length": 4},
]
PROMPTS = {"prompt_tuning", "p_tuning", "prefix_tuning", "projected_prompt"}
SMALL = {  # sizes that fit layers of 16 to 64
    "C3A": {"block_size": 16},
    "FOURIERFT": {"n_frequency": 50},
    "MISS": {"r": 4},
    "PSOFT": {"r": 4},
    "RANDLORA": {"r": 4},
    "ROAD": {"group_size": 8},
    "SHIRA": {"r": 2},
    "VBLORA": {"vector_length": 8, "num_vectors": 16},
    "WAVEFT": {"n_frequency": 50},
}
PEFT = [
    {"name": "peft", "method": m, "options": SMALL.get(m, {})} for m in sorted(supported_methods())
]
# These start with a random update, in peft too.
AWAY = {"C3A", "FOURIERFT"}
CASES = [(spec, base) for spec in SPECS for base in BASES if (spec, base) != ("bitfit", BASES[1])]
# All methods of peft go one way: the encoder shows what each does, the decoder that shapes differ.
CASES += [(spec, "tiny-bert") for spec in PEFT]
CASES += [(spec, "tiny-llama") for spec in PEFT if spec["method"] in ("LOKR", "LN_TUNING", "OFT")]


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def built(case, colours):
    """Two models of one seed, built where torch's generator stands elsewhere; nobody else's."""
    spec, base = case
    frozen = load_base(base).model
    copy = {name: tensor.clone() for name, tensor in frozen.state_dict().items()}
    torch.manual_seed(1)
    one = build_model(base, spec, colours, seed=5)
    torch.manual_seed(2)
    two = build_model(base, spec, colours, seed=5)
    return one, two, copy


@pytest.fixture
def model(built):
    built[0].set_state(built[0].initial_state)
    built[0].flat.grad.zero_()
    return built[0]


def batch_of(model, count=4):
    return make_batch(model.task.train, np.arange(count), CPU)


def moved(model, scale=0.1):
    noise = np.random.default_rng(0).normal(scale=scale, size=model.layout.numel)
    return model.initial_state + torch.from_numpy(noise.astype(np.float32))


def states(network, batch):
    with torch.no_grad():
        return network(input_ids=batch.tokens, attention_mask=batch.mask)[0]


def test_every_adapter_is_here():
    tested = {make_adapter(spec).name for spec in SPECS + PEFT}
    # Words have no gradient: tests/federated/algorithms/test_prompts.py.
    assert tested | {"head", "discrete_prompt"} == set(ADAPTERS.names())


def test_starts_as_the_base(case, model):
    spec, base = case
    found = states(model.network.backbone, batch_of(model))
    wanted = states(load_base(base).model, batch_of(model))
    if make_adapter(spec).name in PROMPTS:
        assert not torch.allclose(found, wanted, atol=1e-3)
    elif isinstance(spec, dict) and spec["name"] == "peft":
        near = torch.allclose(found, wanted, rtol=1e-3, atol=1e-3)  # some decompose the weight
        assert near == (spec["method"] not in AWAY)
    elif spec == "lora_xs":
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    else:
        assert torch.equal(found, wanted)


def test_the_seed_alone_decides(built):
    one, two, _ = built
    assert one.layout == two.layout
    assert torch.equal(one.initial_state, two.draw_initial(5))
    for model in (one, two):
        model.set_state(moved(one))
    a, b = (states(model.network.backbone, batch_of(one)) for model in (one, two))
    assert torch.equal(a, b)


def test_every_tensor_gets_a_gradient(model):
    """Away from the start, where a factor at zero keeps the other's gradient at zero."""
    model.set_state(moved(model))
    model.loss(batch_of(model)).backward()
    silent, at = [], 0
    for name, shape in model.layout.shapes.items():
        part = model.flat.grad[at : (at := at + int(np.prod(shape)))]
        if not part.abs().max() > 0:
            silent.append(name)
    # A key's bias shifts all scores of a query alike, which the softmax takes away; GLORA's D
    # scales the base's biases, which are zero here.
    assert [n for n in silent if not n.endswith("key.bias") and ".glora_D" not in n] == []


def test_state_goes_out_and_in(model):
    start, batch = moved(model), batch_of(model)
    model.set_state(start)
    assert torch.equal(model.get_state(), start)
    before = model.loss(batch).item()
    model.set_state(start + 0.3)
    assert model.loss(batch).item() != before
    model.set_state(start)
    assert model.loss(batch).item() == before


def test_a_few_steps_lower_the_loss_and_leave_the_base(case, built, model):
    batch = batch_of(model)
    before = model.loss(batch).item()
    optimiser = torch.optim.AdamW([model.flat], lr=5e-3, weight_decay=0.0)
    for _ in range(5):
        optimiser.zero_grad(set_to_none=False)
        model.loss(batch).backward()
        optimiser.step()
    assert model.loss(batch).item() < before - 0.02
    frozen = load_base(case[1]).model
    for name, tensor in frozen.state_dict().items():
        assert torch.equal(tensor, built[2][name]), name
    assert not any(p.requires_grad for p in frozen.parameters())


def is_drawn(spec, base, task):
    model = build_model(base, spec, task, seed=5)
    return not torch.equal(model.initial_state, model.draw_initial(6))


DRAWN = ["lora", "dora", "lora_xs", *({"name": "peft", "method": m} for m in ("LOHA", "UNILORA"))]


@pytest.mark.parametrize("spec", DRAWN, ids=str)
def test_another_seed_draws_other_values(spec, colours):
    assert is_drawn(spec, "tiny-bert", colours)


@pytest.mark.parametrize("spec", ["ia3", "vera", {"name": "peft", "method": "OFT"}], ids=str)
def test_what_is_not_drawn_starts_the_same_for_every_seed(spec, colours):
    assert not is_drawn(spec, "tiny-bert", colours)
