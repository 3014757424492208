import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fedbytes.federated.trainable import scratch_of
from fedbytes.models import build_model, load_base
from fedbytes.models.batching import make_batch

CPU = torch.device("cpu")
LORA = {"name": "lora", "rank": 2, "layers": 1}


def first_batch(model, count=8):
    return make_batch(model.task.train, np.arange(count), CPU)


def perturbed(model):
    """Return the model away from its initial state, where the head's scores are all zero."""
    noise = np.random.default_rng(7).normal(scale=0.02, size=model.layout.numel)
    model.set_state(model.initial_state + torch.from_numpy(noise.astype(np.float32)))
    return model


def every_combination():
    for base in ("tiny-bert", "tiny-llama"):
        for adapter in (LORA, "head", "full"):
            yield base, adapter, "classification"
    yield "tiny-llama", LORA, "causal-lm"
    yield "tiny-llama", "full", "causal-lm"


@pytest.fixture(params=every_combination(), ids=str)
def model(request, colours, colour_texts):
    base, adapter, kind = request.param
    return perturbed(
        build_model(base, adapter, colours if kind == "classification" else colour_texts, seed=3)
    )


def test_the_vector_is_the_model(model):
    """Every trained parameter is a view into the vector, in the layout's order."""
    held = {p.data_ptr(): p for p in model.network.parameters() if p.requires_grad}
    at = 0
    for shape in model.layout.shapes.values():
        part = model.flat.data[at : at + int(np.prod(shape))]
        assert tuple(held.pop(part.data_ptr()).shape) == shape
        at += part.numel()
    assert at == model.layout.numel == model.flat.numel()
    assert not held


def test_gradients_land_in_the_vector_and_add_up(model):
    batch = first_batch(model)
    trained = [p for p in model.network.parameters() if p.requires_grad]
    wanted = torch.autograd.grad(model.loss(batch), trained, allow_unused=True)
    model.loss(batch).backward()
    once = model.flat.grad.clone()
    assert once.abs().max() > 0
    places = {p.data_ptr(): i for i, p in enumerate(trained)}
    at = 0
    for shape in model.layout.shapes.values():
        end = at + int(np.prod(shape))
        grad = wanted[places[model.flat.data[at:end].data_ptr()]]
        if grad is not None:
            torch.testing.assert_close(once[at:end], grad.reshape(-1))
        at = end
    model.loss(batch).backward()
    torch.testing.assert_close(model.flat.grad, 2 * once)


def test_an_optimiser_of_the_vector_lowers_the_loss(model):
    batch = first_batch(model)
    before = float(model.loss(batch).detach())
    optimiser = torch.optim.AdamW([model.flat], lr=1e-2)
    for _ in range(20):
        optimiser.zero_grad(set_to_none=False)
        model.loss(batch).backward()
        optimiser.step()
    assert float(model.loss(batch).detach()) < before - 0.05


def test_a_model_starts_in_its_initial_state(colours):
    model = build_model("tiny-bert", LORA, colours, seed=4)
    assert torch.equal(model.get_state(), model.initial_state)


def test_state_goes_out_and_in(model):
    start = model.get_state()
    loss = model.loss(first_batch(model)).item()
    model.set_state(start + 0.1)
    assert model.loss(first_batch(model)).item() != loss
    model.set_state(start)
    assert model.loss(first_batch(model)).item() == loss
    with pytest.raises(ValueError, match="state has shape"):
        model.set_state(start[:-1])


def test_the_initial_state_depends_on_the_seed_alone(colours):
    torch.manual_seed(1)
    one = build_model("tiny-bert", LORA, colours, seed=5)
    torch.manual_seed(2)
    two = build_model("tiny-bert", LORA, colours, seed=5)
    assert torch.equal(one.initial_state, two.initial_state)
    assert torch.equal(one.initial_state, two.draw_initial(5))
    assert not torch.equal(one.initial_state, two.draw_initial(6))
    two.set_state(one.initial_state + 1)
    assert torch.equal(one.initial_state, two.draw_initial(5))


def test_nothing_draws_from_the_global_generators(colours):
    torch.manual_seed(1)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    model = build_model("tiny-llama", LORA, colours)
    for batch, _ in zip(model.batches(np.arange(9), 4, np.random.default_rng(0)), range(4)):  # noqa: B905
        model.loss(batch).backward()
    model.evaluate()
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


@pytest.mark.parametrize("adapter", [LORA, "full"])
def test_the_base_is_shared_and_never_written(colours, adapter):
    base = load_base("tiny-bert")
    assert load_base("tiny-bert") is base
    copy = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    model = build_model("tiny-bert", adapter, colours)
    model.loss(first_batch(model)).backward()
    model.set_state(model.get_state() - model.flat.grad)
    assert {*base.model.state_dict()} == {*copy}
    for name, tensor in base.model.state_dict().items():
        assert torch.equal(tensor, copy[name])
    if adapter == LORA:
        frozen = {p.data_ptr() for p in model.network.parameters() if not p.requires_grad}
        assert frozen == {p.data_ptr() for p in base.model.parameters()}


def test_tied_weights_are_sent_once_and_stay_tied(colour_texts):
    model = build_model("tiny-llama", "full", colour_texts)
    network = model.network.backbone
    assert network.lm_head.weight is network.model.embed_tokens.weight
    frozen = load_base("tiny-llama", "causal-lm").model
    assert model.layout.numel == sum(p.numel() for p in frozen.parameters())


def test_batches_run_through_every_example_each_epoch(colours):
    model = build_model("tiny-bert", "head", colours)
    rows = np.array([1, 4, 7, 9, 30])
    source = model.batches(rows, 2, np.random.default_rng(0))
    epochs = [np.concatenate([next(source).rows for _ in range(3)]) for _ in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == rows.tolist()
    assert len({tuple(epoch) for epoch in epochs}) > 1
    again = model.batches(rows, 2, np.random.default_rng(0))
    assert np.array_equal(np.concatenate([next(again).rows for _ in range(3)]), epochs[0])
    with pytest.raises(ValueError, match="cannot make batches of 2 from 0 examples"):
        next(model.batches(np.array([], dtype=np.int64), 2, np.random.default_rng(0)))


def test_padding_does_not_change_scores(model):
    split = model.task.train
    together = make_batch(split, np.argsort(split.lengths)[[0, -1]], CPU)
    assert together.mask.sum(1).tolist() == sorted(together.mask.sum(1).tolist())
    alone = make_batch(split, together.rows[:1], CPU)
    with torch.no_grad():
        both, one = (model.network(b.tokens, b.mask) for b in (together, alone))
    width = alone.tokens.shape[1]
    pair = both[:1, :width] if model.task.kind == "causal-lm" else both[:1]
    torch.testing.assert_close(pair, one, rtol=1e-4, atol=1e-5)


def test_evaluation_is_the_mean_over_examples(colours):
    spec = {"name": "tiny-llama", "precision": "float32"}
    model = perturbed(build_model(spec, LORA, colours, seed=1))
    found = model.evaluate()
    losses, right = [], []
    for row in range(len(colours.test)):
        batch = make_batch(colours.test, np.array([row]), CPU)
        scores = model.network(batch.tokens, batch.mask).detach()
        losses.append(F.cross_entropy(scores, batch.labels).item())
        right.append(int(scores.argmax()) == int(batch.labels))
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert set(found) == {"accuracy", "macro_f1", "loss"}


def test_language_model_loss_is_the_mean_over_next_tokens(colour_texts):
    model = build_model("tiny-llama", LORA, colour_texts)
    batch = first_batch(model)
    labels = batch.tokens.masked_fill(batch.mask == 0, -100)
    theirs = load_base("tiny-llama", "causal-lm").model(
        input_ids=batch.tokens, attention_mask=batch.mask, labels=labels
    )
    assert model.loss(batch).item() == pytest.approx(theirs.loss.item(), rel=1e-5)
    found = model.evaluate()
    assert set(found) == {"loss", "perplexity"}
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]))
    assert found["loss"] == pytest.approx(np.log(260), rel=0.1)


def test_pooling_takes_the_last_token_or_the_mean(colours):
    features = {}
    batch = make_batch(colours.train, np.arange(5), CPU)
    for pooling in ("last", "mean", "auto"):
        model = build_model({"name": "tiny-llama", "pooling": pooling}, "head", colours)
        model.network.head = torch.nn.Identity()
        features[pooling] = model.network(batch.tokens, batch.mask)
    states = model.network.backbone(input_ids=batch.tokens, attention_mask=batch.mask)[0]
    for row, length in enumerate(colours.train.lengths[:5]):
        torch.testing.assert_close(features["last"][row], states[row, length - 1])
        torch.testing.assert_close(features["mean"][row], states[row, :length].mean(0))
    assert torch.equal(features["auto"], features["last"])
    with pytest.raises(ValueError, match="pooling must be one of auto, mean, last, got 'cls'"):
        build_model({"name": "tiny-llama", "pooling": "cls"}, "head", colours)


def test_scratch_is_a_models_own_and_optional_for_others(colours):
    model = build_model("tiny-bert", "head", colours)
    scratch_of(model)["test"] = 1
    assert model.scratch == {"test": 1}
    assert build_model("tiny-bert", "head", colours).scratch == {}
    other = object()
    scratch_of(other)["test"] = 1
    assert scratch_of(other) == {}
