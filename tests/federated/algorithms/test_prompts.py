"""Algorithms that find a prompt from forward passes alone."""

import pytest
import torch

from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import text_model

SEARCH = {"name": "prompt_search", "candidates": 6, "batch_size": 40}
SOFT = {"name": "fedbpt", "generations": 2, "population": 6, "batch_size": 40, "step_size": 0.3}
WORDS, POINT = {"name": "discrete_prompt", "length": 4}, {"name": "projected_prompt"}


@pytest.fixture
def make_prompt_run():
    def make(spec, adapter, **fields):
        model = text_model("tiny-llama", adapter, "causal-lm")
        settings = {
            "model": model,
            "parts": [torch.arange(c, 40, 4).numpy() for c in range(4)],
            "algorithm": make_algorithm(spec),
            "uplink": make_link("fp32"),
            "downlink": make_link("fp32"),
            "clients_per_round": 4,
        }
        fed = Federation(**settings | fields)
        return Rehearsal(fed)

    return make


@pytest.mark.parametrize(
    ("spec", "adapter"), [(SEARCH, WORDS), (SOFT, POINT)], ids=["words", "soft"]
)
def test_the_search_beats_its_start(make_prompt_run, spec, adapter):
    run = make_prompt_run(spec, adapter)
    model = run.fed.model
    losses = []
    for rounds in (0, 5):
        run.go(rounds)
        run.fed.algorithm.load(model, run.state.model)
        losses.append(model.evaluate()["loss"])
    assert losses[1] < losses[0] - 0.01


def test_scores_go_up_and_a_choice_comes_down(make_prompt_run):
    run = make_prompt_run(SEARCH, WORDS, initial="seed").go(4)
    sizes = {}
    for entry in run.ledger.entries:
        sizes.setdefault(entry.kind, set()).add(entry.payload_bytes)
    assert sizes["delta"] == {4 * 6 + 4}
    assert sizes["update"] == {4 + 4}
    assert sizes.keys() == {"seed", "delta", "update", "metrics"}


def test_what_is_held_are_tokens_and_changes_by_one_word(make_prompt_run):
    run = make_prompt_run(SEARCH | {"vocabulary": 50}, WORDS)
    first = run.state.model
    for _ in range(4):
        before = run.state.model
        run.go(1)
        changed = run.state.model != before
        assert changed.sum() <= 1
        assert (run.state.model[changed] < 50).all()
    assert not torch.equal(run.state.model, first)
    assert torch.equal(run.state.model, run.state.model.round())


def test_without_a_better_candidate_the_prompt_stays(make_prompt_run):
    run = make_prompt_run(SEARCH, WORDS).go(1)
    algorithm, context = run.fed.algorithm, run.fed.context(2)
    held = run.state.model
    worse = [Upload(c, torch.full((6,), 0.1), 10) for c in range(4)]
    update, _ = algorithm.combine(context, held, worse, {})
    assert torch.equal(algorithm.apply(context, held, update), held)
    # One client's vote counts by its examples.
    split = [Upload(0, torch.tensor([1.0, -1, 0, 0, 0, 0]), 10), Upload(1, -worse[0].delta, 10)]
    update, _ = algorithm.combine(context, held, split, {})
    assert int(update) == 2


@pytest.mark.parametrize("spec", ["bf16", {"name": "topk", "density": 0.5}], ids=str)
def test_a_choice_is_never_sent_through_a_lossy_codec(make_prompt_run, spec):
    with pytest.raises(ValueError, match=r"number of a prompt.*set downlink\.name=fp32"):
        make_prompt_run(SEARCH, WORDS, downlink=make_link(spec))
    make_prompt_run(SEARCH, WORDS, uplink=make_link(spec)).go(1)


def test_models_that_hold_something_else_are_refused(make_prompt_run):
    with pytest.raises(ValueError, match=r"adapter\.name=discrete_prompt"):
        make_prompt_run(SEARCH, {"name": "lora", "rank": 2})
    with pytest.raises(ValueError, match=r"adapter\.name=projected_prompt"):
        make_prompt_run(SOFT, WORDS)
    with pytest.raises(ValueError, match="no gradient"):
        make_prompt_run({"name": "fedavg", "local_steps": 1}, WORDS).go(1)
