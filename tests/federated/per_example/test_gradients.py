"""The gradient of each example is its own, however it is taken, and no longer than the clip."""

import numpy as np
import pytest
import torch

from fedbytes.federated.per_example import gradients, steps
from fedbytes.federated.per_example.gradients import (
    clipped,
    one_after_another,
    side_by_side,
    stay_apart,
)
from fedbytes.federated.per_example.steps import ExampleSteps
from fedbytes.federated.testing.tiny_models import LORA, TinyRegression, text_model
from fedbytes.privacy.gradient_noise import GradientNoise
from fedbytes.streams import stream

ROWS = np.array([3, 0, 17, 8, 29, 31, 4])
LONGER = {"name": "lora", "rank": 3, "layers": 1}
STACKED = [
    ("tiny-bert", LORA, "classification"),
    ("tiny-bert", LONGER, "classification"),
    ("tiny-bert", "head", "classification"),
    ("tiny-llama", LORA, "causal-lm"),
    ("tiny-llama", {"name": "prompt_tuning", "length": 2}, "classification"),
]
ALONE = [("tiny-bert", "full", "classification"), ("tiny-bert", "bitfit", "classification")]


def moved(name, adapter, kind):
    """A model away from its initial vector, where LoRA's A has no gradient."""
    model = text_model(name, adapter, kind)
    noise = stream(0, "a test").normal(0, 0.05, model.layout.numel)
    model.set_state(model.initial_state + torch.from_numpy(noise.astype(np.float32)))
    return model


def gap(found, wanted):
    """The largest difference, over the norm of the longest gradient."""
    return float((found - wanted).abs().max() / wanted.norm(dim=-1).max())


def in_turn(model, rows=ROWS):
    return torch.cat([*one_after_another(model, rows, model.loss, model.batches)])


@pytest.mark.parametrize(("name", "adapter", "kind"), STACKED, ids=str)
def test_side_by_side_they_are_those_of_one_after_another(name, adapter, kind):
    model = moved(name, adapter, kind)
    alone, together = in_turn(model), torch.cat([*side_by_side(model, ROWS)])
    assert together.shape == (len(ROWS), model.layout.numel)
    assert gap(together, alone) < 1e-6
    assert float((alone[0] - alone[1]).norm()) > 1e-3
    assert stay_apart(model, ROWS, model.loss, model.batches)


@pytest.mark.parametrize(
    ("name", "adapter", "kind"), [s for s in STACKED + ALONE if s[2] == "classification"], ids=str
)
def test_their_mean_is_the_gradient_of_the_batch(name, adapter, kind):
    model = moved(name, adapter, kind)
    mean = in_turn(model).mean(0)
    assert not model.flat.grad.any()
    batch = next(model.batches(ROWS, len(ROWS), stream(0, "a test")))
    model.loss(batch).backward()
    assert gap(mean, model.flat.grad) < 1e-6


def test_they_come_in_groups_that_memory_has_room_for(monkeypatch):
    model = moved("tiny-bert", LORA, "classification")
    whole = torch.cat([*side_by_side(model, ROWS)])
    monkeypatch.setattr(gradients, "_MOST_NUMBERS", 3 * model.layout.numel)
    found = [one.clone() for one in side_by_side(model, ROWS)]
    assert [len(one) for one in found] == [3, 3, 1]
    assert gap(torch.cat(found), whole) < 1e-6


def test_texts_that_mix_side_by_side_are_taken_one_after_another(monkeypatch):
    model = moved("tiny-bert", LORA, "classification")

    def mixing(model, rows):
        whole = torch.cat([*side_by_side(model, rows)])
        yield whole + whole.mean(0)

    for module in (gradients, steps):
        monkeypatch.setattr(module, "side_by_side", mixing)
    assert not stay_apart(model, ROWS, model.loss, model.batches)
    made = noiseless(model, 1e6)
    assert gap(sum_of(made, model, ROWS), in_turn(model).sum(0)) < 1e-6


def test_no_gradient_is_longer_than_the_clip_and_short_ones_stay_as_they_are():
    rng = stream(0, "a test")
    lengths = 10.0 ** np.arange(-30, 18, 2.0)
    drawn = torch.from_numpy(rng.normal(size=(len(lengths), 5000)))
    given = (drawn / drawn.norm(dim=1, keepdim=True) * torch.from_numpy(lengths)[:, None]).float()
    for most in (1e-3, 0.7, 100.0):
        norms = clipped(given, most).double().norm(dim=1)
        assert (norms <= most).all()
        assert np.allclose(norms, np.minimum(lengths, most), rtol=1e-4)
        short = torch.from_numpy(lengths < most / 2)
        assert torch.equal(clipped(given, most)[short], given[short])
    odd = torch.tensor([[np.inf, 0.0], [np.nan, 1.0], [3.0, 4.0]])
    assert torch.allclose(clipped(odd, 1.0), torch.tensor([[0, 0], [0, 0], [0.6, 0.8]]), atol=1e-4)


def noiseless(model, clip):
    return ExampleSteps(model, GradientNoise(clip, 0.0), stream(0, "a test"))


def sum_of(made, model, rows):
    model.flat.grad.zero_()
    made.loss(rows).backward()
    found = model.flat.grad.clone()
    model.flat.grad.zero_()
    return found


@pytest.mark.parametrize("clip", [0.05, 5.0])
def test_one_text_more_moves_the_sum_by_at_most_the_clip(clip):
    for model in (TinyRegression(), moved("tiny-bert", LORA, "classification")):
        made = noiseless(model, clip)
        few = sum_of(made, model, ROWS)
        for more in range(40, 44) if isinstance(model, TinyRegression) else (1, 2):
            many = sum_of(made, model, np.append(ROWS, more))
            change = float((many - few).double().norm())
            own = float(in_turn(model, [more]).norm())
            assert change <= clip * (1 + 1e-5)
            assert change == pytest.approx(min(own, clip), rel=1e-3)


def test_a_step_tells_its_gradient_and_no_loss():
    model = TinyRegression()
    model.set_state(model.draw_initial(0))
    made = noiseless(model, 1.0)
    assert float(made.loss(ROWS).detach()) == 0
    assert made.taken == 1


def test_a_batch_without_texts_is_noise_alone():
    model = TinyRegression()
    made = ExampleSteps(model, GradientNoise(0.5, 2.0), stream(0, "a test"))
    next(made.batches(np.arange(40), 8, stream(0, "coins")))
    found = sum_of(made, model, ROWS[:0])
    assert float(found.std()) == pytest.approx(0.5 * 2.0 / 8, rel=0.1)


def test_each_text_comes_by_a_coin_of_its_own():
    made, own = noiseless(TinyRegression(), 1.0), np.arange(100, 140)
    batches = made.batches(own, 8, stream(0, "a test"))
    drawn = [next(batches) for _ in range(4000)]
    sizes = np.array([len(batch) for batch in drawn])
    assert abs(sizes.mean() - 8) < 4 * np.sqrt(6.4 / 4000)
    assert abs(sizes.var() - 6.4) < 0.6  # of a fixed number it would be 0
    each = np.bincount(np.concatenate(drawn), minlength=140)[100:] / 4000
    assert np.all(np.abs(each - 0.2) < 4.5 * np.sqrt(0.16 / 4000))
    assert len(next(made.batches(own[:5], 8, stream(0, "a test")))) == 5
