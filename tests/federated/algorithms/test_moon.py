"""MOON: FedAvg without its term, and with it a gradient that reaches the adapter alone."""

import math

import numpy as np
import pytest
import torch

from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.algorithms.moon import contrast, frozen_features
from fedbytes.federated.testing.tiny_models import LORA, TinyRegression, text_model
from fedbytes.streams import stream

FIELDS = {"local_steps": 3, "batch_size": 8, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def model():
    return text_model("tiny-bert", LORA)


def run_of(make_run, model, algorithm):
    parts = [np.arange(c, 40, 3) for c in range(3)]
    return make_run(3, model=model, parts=parts, clients_per_round=2, algorithm=algorithm)


def test_without_the_term_it_is_fedavg_to_the_bit(make_run, model):
    moon = run_of(make_run, model, make_algorithm("moon", mu=0.0, **FIELDS)).go(3)
    plain = run_of(make_run, model, make_algorithm("fedavg", **FIELDS)).go(3)
    assert moon.crossed == plain.crossed


def test_a_first_turn_is_fedavgs_and_a_second_is_not(make_run, model):
    moon = run_of(make_run, model, make_algorithm("moon", mu=5.0, **FIELDS))
    plain = run_of(make_run, model, make_algorithm("fedavg", **FIELDS))
    assert torch.equal(moon.go(1).state.model, plain.go(1).state.model)
    assert not torch.equal(moon.go(2).state.model, plain.go(2).state.model)


def test_the_terms_gradient_reaches_the_adapter_and_not_the_head(model):
    rng = np.random.default_rng(0)
    states = [
        model.draw_initial(0) + torch.from_numpy(rng.normal(size=model.layout.numel)).float() / 10
        for _ in range(3)
    ]
    model.set_state(states[0])
    batch = next(model.batches(np.arange(40), 8, stream(0, "test")))
    shared, last = frozen_features(model, states[1:], batch)
    assert torch.equal(model.flat.detach(), states[0])
    model.flat.grad.zero_()
    contrast(model.features(batch), shared, last, 0.5).backward()
    sizes = [math.prod(shape) for shape in model.layout.shapes.values()]
    parts = dict(zip(model.layout.names, model.flat.grad.split(sizes), strict=True))
    reached = {name for name, part in parts.items() if part.abs().max() > 0}
    assert reached == {name for name in parts if "lora" in name}
    model.flat.grad.zero_()


def test_the_term_by_hand():
    unit = torch.eye(2)
    term = contrast(unit[:1], unit[:1], unit[1:], 0.5)
    assert float(term) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 1)))
    assert float(contrast(unit, unit, unit, 0.5)) == pytest.approx(math.log(2))


def test_the_loss_in_two_steps_is_the_loss(model):
    model.set_state(model.draw_initial(3))
    batch = next(model.batches(np.arange(40), 8, stream(0, "test")))
    with torch.no_grad():
        assert torch.equal(model.loss_of(model.features(batch), batch), model.loss(batch))


def test_the_memory_survives_a_checkpoint(make_run, model, tmp_path):
    algorithm = make_algorithm("moon", **FIELDS)
    whole = run_of(make_run, model, algorithm).go(4)
    cut = run_of(make_run, model, algorithm).go(2)
    cut.state.save(tmp_path / "state.pt", {})
    cut.state, _ = type(cut.state).load(tmp_path / "state.pt")
    cut.go(2)
    assert cut.crossed == whole.crossed


@pytest.mark.parametrize("case", ["no features", "causal-lm", "head"])
def test_a_model_without_features_to_train_is_refused_in_one_line(make_run, case):
    model = {
        "no features": TinyRegression,
        "causal-lm": lambda: text_model("tiny-llama", LORA, "causal-lm"),
        "head": lambda: text_model("tiny-bert", "head"),
    }[case]()
    with pytest.raises(ValueError, match="moon compares the pooled features") as error:
        make_algorithm("moon", **FIELDS).synced_layout(model)
    assert "\n" not in str(error.value)
    if case == "causal-lm":
        with pytest.raises(ValueError, match="no pooled features"):
            model.features(None)
