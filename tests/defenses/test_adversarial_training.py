"""FreeLB, PGD and SMART: which shift, which gradient, and once."""

import numpy as np
import pytest
import torch

from fedbytes.defenses.smart import symmetric_divergence
from fedbytes.experiments import make_config
from fedbytes.federated import Perturbation, climb_objective, make_defense, make_plugins
from fedbytes.federated.testing.plugin_bench import federation, stage_context
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import LORA, TinyRegression, text_model
from fedbytes.models import build_model
from fedbytes.models.testing.tiny_task import colour_task, on_cpu
from fedbytes.streams import stream

METHODS = ("freelb", "pgd", "smart")


def gradient_of(model, loss, batch):
    model.flat.grad.zero_()
    value = loss(batch)
    value.backward()
    return float(value.detach()), model.flat.grad.clone()


def tiny(kind="classification"):
    name = "tiny-bert" if kind == "classification" else "tiny-llama"
    model = text_model(name, LORA, kind)
    drawn = stream(0, "weights").normal(0, 0.1, model.layout.numel)
    model.set_state(torch.from_numpy(drawn.astype(np.float32)))
    return model, next(model.batches(np.arange(8), 8, stream(0, "batch")))


def context_of(model):
    context = stage_context("defense 0 check", client=1)
    object.__setattr__(context, "model", model)
    return context


@pytest.mark.parametrize("kind", ["classification", "causal-lm"])
def test_pgd_without_a_radius_is_the_plain_loss_bit_for_bit(kind):
    model, batch = tiny(kind)
    plain = gradient_of(model, model.loss, batch)
    defended = make_defense("pgd", eps=0.0).loss(model.loss, context_of(model))
    found = gradient_of(model, defended, batch)
    assert found[0] == plain[0]
    assert torch.equal(found[1], plain[1])


def test_a_run_with_pgd_without_a_radius_is_the_plain_run():
    plain = Rehearsal(federation(make_plugins())).go(3)
    defended = Rehearsal(federation(make_plugins(defense={"name": "pgd", "eps": 0}))).go(3)
    assert torch.equal(plain.state.model, defended.state.model)
    assert plain.crossed == defended.crossed


def test_freelb_is_the_hand_written_loop():
    steps, eps, alpha = 3, 0.2, 0.05
    model = TinyRegression()
    model.set_state(model.draw_initial(0))
    batch = torch.arange(6)
    defense = make_defense("freelb", steps=steps, eps=eps, alpha=alpha)
    context = context_of(model)
    value, gradient = gradient_of(model, defense.loss(model.loss, context), batch)

    x, y = model.x[batch], model.y[batch]
    size = x.norm(dim=1, keepdim=True)
    drawn = context.rng().uniform(-1, 1, tuple(x.shape)).astype(np.float32)
    delta = torch.from_numpy(drawn) * eps * size / np.sqrt(x.shape[1])
    weight = model.flat.detach()[:-3].view(3, -1)
    bias = model.flat.detach()[-3:]
    total, mean = torch.zeros_like(model.flat), 0.0
    for _ in range(steps):
        w, b, d = (t.clone().requires_grad_() for t in (weight, bias, delta))
        loss = torch.nn.functional.cross_entropy((x + d) @ w.T + b, y)
        gw, gb, gd = torch.autograd.grad(loss, (w, b, d))
        total += torch.cat([gw.flatten(), gb]) / steps
        mean += float(loss.detach()) / steps
        delta = delta + alpha * size * gd / gd.norm(dim=1, keepdim=True)
        delta = delta * (eps * size / delta.norm(dim=1, keepdim=True)).clamp_max(1.0)
    assert value == pytest.approx(mean, rel=1e-5)
    torch.testing.assert_close(gradient, total, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_adds_once_to_what_was_there(method):
    model, batch = tiny()
    _, once = gradient_of(model, make_defense(method).loss(model.loss, context_of(model)), batch)
    model.flat.grad.fill_(1.0)
    make_defense(method).loss(model.loss, context_of(model))(batch).backward()
    torch.testing.assert_close(model.flat.grad, once + 1.0, rtol=1e-4, atol=1e-6)


def test_pgd_gradient_is_that_of_the_last_shift_alone():
    model, batch = tiny()
    context = context_of(model)
    _, found = gradient_of(model, make_defense("pgd", eps=0.3).loss(model.loss, context), batch)
    shift = Perturbation(0.3, context.rng())
    climb_objective(model, lambda: model.loss(batch), shift, 3, 0.2)
    fixed = shift.delta.detach()
    with model.shifted_inputs(lambda inputs, _: inputs + fixed):
        _, wanted = gradient_of(model, model.loss, batch)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("eps", [0.05, 0.5])
def test_no_shift_is_longer_than_its_radius_nor_on_padding(eps):
    model, batch = tiny()
    seen = []

    def watch(inputs, mask):
        before = inputs.detach() * mask[..., None]
        shifted = shift(inputs, mask)
        moved = (shifted - inputs).detach()
        seen.append((moved.flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1)).max())
        assert not moved[mask == 0].any()
        return shifted

    shift = Perturbation(eps, stream(0, "shift"))
    losses = []
    for _ in range(4):
        with model.shifted_inputs(watch):
            losses.append(model.loss(batch))
        shift.climb_loss(losses[-1], 10 * eps)
    assert max(seen) <= eps * (1 + 1e-4)
    assert max(seen) >= eps * 0.99  # it climbs to the border
    assert losses[-1] > losses[0]


def test_the_worst_shift_is_worse_than_a_random_one():
    model, batch = tiny()
    plain = float(model.loss(batch).detach())
    context = context_of(model)
    last = float(make_defense("pgd", eps=0.5).loss(model.loss, context)(batch).detach())
    mean = float(make_defense("freelb", eps=0.5).loss(model.loss, context)(batch).detach())
    assert plain < mean < last


def test_the_divergence_of_two_coins():
    one, two = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.9, 0.1]]).log()
    by_hand = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    by_hand += 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    assert float(symmetric_divergence(one, two)) == pytest.approx(by_hand, rel=1e-5)
    assert float(symmetric_divergence(two, two)) == 0


def test_smart_without_a_radius_is_the_plain_loss():
    model, batch = tiny()
    plain = float(model.loss(batch).detach())
    defended = make_defense("smart", eps=0.0).loss(model.loss, context_of(model))
    assert float(defended(batch).detach()) == pytest.approx(plain, abs=1e-6)


def test_kept_states_of_constant_layers_are_passed_over():
    """With kept states a shift of the embeddings would change nothing: the layers must run."""
    adapter = {"name": "lora", "rank": 2, "layers": 1}
    cached, whole = (
        build_model(on_cpu("tiny-bert"), adapter, colour_task("classification"), 0, layer_cache=on)
        for on in (True, False)
    )
    assert cached.keeps_states
    assert not whole.keeps_states
    values = []
    for model in (cached, whole):
        drawn = stream(0, "weights").normal(0, 0.1, model.layout.numel)
        model.set_state(torch.from_numpy(drawn.astype(np.float32)))
        batch = next(model.batches(np.arange(8), 8, stream(0, "batch")))
        for method in METHODS:
            loss = make_defense(method, eps=0.5).loss(model.loss, context_of(model))
            values.append(gradient_of(model, loss, batch))
        values.append(gradient_of(model, model.loss, batch))
    for one, two in zip(values[:4], values[4:], strict=True):
        assert one[0] == pytest.approx(two[0], rel=1e-4)
        torch.testing.assert_close(one[1], two[1], rtol=1e-3, atol=1e-5)
    assert len({round(value, 6) for value, _ in values[:4]}) == 4


def test_kept_states_are_what_is_shifted_where_asked():
    adapter = {"name": "lora", "rank": 2, "layers": 1}
    model = build_model(on_cpu("tiny-bert"), adapter, colour_task("classification"), 0)
    drawn = stream(0, "weights").normal(0, 0.1, model.layout.numel)
    model.set_state(torch.from_numpy(drawn.astype(np.float32)))
    batch = next(model.batches(np.arange(8), 8, stream(0, "batch")))
    plain = gradient_of(model, model.loss, batch)
    zero = make_defense("pgd", eps=0.0, at="states").loss(model.loss, context_of(model))
    found = gradient_of(model, zero, batch)
    assert found[0] == plain[0]  # the same states, so the same bits
    assert torch.equal(found[1], plain[1])
    moved = make_defense("pgd", eps=0.5, at="states").loss(model.loss, context_of(model))
    assert float(moved(batch).detach()) > plain[0]
    inner = []
    with model.shifted_inputs(lambda x, _: inner.append(x) or x, states=True):
        model.loss(batch)
    torch.testing.assert_close(inner[0], model.constant_states.open("train").gather(batch))


def test_every_algorithm_of_fedavg_has_it():
    for name in ("fedprox", "scaffold", "feddyn", "fednova", "fedadam"):
        fields = {"algorithm": {"name": name, "local_steps": 2}, "defense": "freelb"}
        assert make_config(fields).defense[0]["name"] == "freelb"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"defense": "freelbb"}, "unknown defense 'freelbb'; did you mean 'freelb'?"),
        ({"defense": {"name": "pgd", "eps": -0.1}}, "eps must be at least 0, got -0.1"),
        ({"defense": {"name": "freelb", "steps": 0}}, "steps must be at least 1, got 0"),
        ({"defense": ["freelb", "pgd"]}, "'freelb' and 'pgd' perturb the same inputs"),
        (
            {"defense": "smart", "algorithm": {"name": "fedkseed", "local_steps": 2}},
            "algorithm 'fedkseed' takes none",
        ),
        (
            {"defense": "pgd", "algorithm": {"name": "moon", "local_steps": 2}},
            "algorithm 'moon' has one of its own",
        ),
        (
            {
                "defense": "pgd",
                "model": {"name": "minilm", "pipeline_parallel": True, "device": "cpu"},
            },
            "model.pipeline_parallel=true",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(fields, said):
    with pytest.raises(ValueError) as refused:
        make_config(fields)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_without_inputs_to_shift_is_refused():
    class Opaque:
        pass

    with pytest.raises(ValueError, match="Opaque does not allow"):
        make_defense("pgd").loss(lambda _: torch.zeros(()), context_of(Opaque()))
