"""Canaries: planted as often as said, exposed by training, at chance where nobody planted them."""

import numpy as np
import pytest
import torch

from fedbytes.audits.canary_parts.exposure import (
    fitted_exposure,
    guessed_exposure,
    sampled_exposure,
)
from fedbytes.audits.canary_parts.sentence_losses import code_losses
from fedbytes.data import draw_canaries, find_canaries, other_codes, sentence_rows, split_of
from fedbytes.data.tokens.token_cache import encode
from fedbytes.experiments import make_config
from fedbytes.federated import (
    Federation,
    Simulation,
    make_algorithm,
    make_attack,
    make_audit,
    make_link,
    make_plugins,
)
from fedbytes.federated.stages.poisoned_data import poison
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.batching import make_batch
from fedbytes.models.testing.tiny_task import colour_texts, on_cpu
from fedbytes.streams import stream


@pytest.fixture
def task():
    """Forty short texts as bytes, with room for a sentence about a canary."""
    return encode(colour_texts(), byte_tokenizer(), "bytes", "causal-lm", 64)


def thirds(count=40, clients=4):
    return [np.arange(client, count, clients) for client in range(clients)]


def test_each_canary_stands_in_one_client_as_often_as_said(task):
    attack = make_attack("canaries", secrets=6, repeats=[1, 4, 16], share=0.25)
    made, planted = poison([attack], task, thirds(), 0)
    held = [planted.among(planted.held(c, 1, part)) for c, part in enumerate(thirds())]
    assert [len(rows) > 0 for rows in held].count(True) == 1
    found = find_canaries(made, np.concatenate(held))
    assert sorted(found.values()) == [1, 1, 4, 4, 16, 16]
    assert len({canary.name for canary in found}) == 6
    assert not find_canaries(made, np.arange(len(task.train))), "the task's own rows have none"


def test_a_canary_that_nobody_saw_is_exposed_by_1_44_bits(task):
    """Before training every code is as likely as another: the mean of -log2 of a uniform rank."""
    model = build_model(on_cpu("tiny-llama"), {"name": "lora", "rank": 2}, task)
    rng, exposures = stream(0, "test"), []
    for canary in draw_canaries(1, 50):
        losses, _ = code_losses(model, canary, [canary.code, *other_codes(canary, 127, rng)])
        exposures.append(sampled_exposure(losses[0], losses[1:]))
    error = np.std(exposures, ddof=1) / np.sqrt(len(exposures))
    assert abs(np.mean(exposures) - guessed_exposure(127)) < 3 * error
    assert abs(guessed_exposure(10**4) - 1 / np.log(2)) < 0.01


def test_training_exposes_what_stands_there_often_and_no_control(task):
    attack = make_attack("canaries", secrets=2, repeats=[1, 24], share=0.25)
    made, planted = poison([attack], task, thirds(), 0)
    model = build_model(on_cpu("tiny-llama"), "full", made)
    fed = Federation(
        model=model,
        parts=thirds(),
        algorithm=make_algorithm("fedavg", local_steps=12, batch_size=8, learning_rate=0.02),
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=4,
        planted=planted,
        plugins=make_plugins(
            attack=attack, audit={"name": "canaries", "others": 63, "controls": 3}
        ),
    )
    run = Simulation(fed)
    for _ in range(6):
        run.run_round()
    rows = run.audit()
    untrained, trained = ([row for row in rows if row["untrained"] is x] for x in (True, False))
    assert len(untrained) == len(trained) == 5
    often = next(row for row in trained if row["repeats"] == 24)
    assert often["exposure"] >= 5, "of six bits that 63 others can show"
    assert often["exposure_fitted"] > often["exposure"] - 1
    controls = [row["exposure"] for row in trained if row["repeats"] == 0]
    assert np.mean(controls) < 4
    columns = make_audit("canaries").columns(rows)
    assert {"exposure_0", "exposure_1", "exposure_24", "extracted_24"} <= columns.keys()


def test_an_exposure_is_of_ranks_and_bounded_by_the_sample():
    others = np.arange(1.0, 1024.0)
    assert sampled_exposure(0.0, others) == 10
    assert sampled_exposure(5000.0, others) == 0
    assert sampled_exposure(512.0, others) == pytest.approx(1, abs=0.01)
    assert sampled_exposure(1.0, np.ones(1023)) == pytest.approx(1, abs=0.01), "ties count half"


@pytest.mark.parametrize("bend", [0.0, 4.0])
def test_a_fitted_exposure_goes_on_where_the_sample_ends(bend):
    rng = stream(0, "fit")
    drawn = rng.normal(size=(2, 400_000))
    losses = np.abs(drawn[0]) * bend + drawn[1]  # skew-normal
    others = losses[:2000]
    for share in (0.5, 0.05, 1e-3, 1e-4):
        level = float(np.quantile(losses, share))
        assert fitted_exposure(level, others, 10**6) == pytest.approx(-np.log2(share), rel=0.15)
    assert fitted_exposure(-1e3, others, 10**6) == pytest.approx(np.log2(10**6))


def test_extraction_is_what_greedy_decoding_writes(task):
    """A head that always writes what the sentence says next extracts it, and no other code."""
    model = build_model(on_cpu("tiny-llama"), "full", task)
    canary = draw_canaries(3, 1)[0]
    codes = [canary.code, *other_codes(canary, 5, stream(0, "test"))]
    assert code_losses(model, canary, codes)[1] is False
    optimiser = torch.optim.Adam([model.flat], lr=0.02)
    batch = make_batch(split_of("canary", sentence_rows(task, [canary.sentence()])), np.array([0]),
                       model.device)  # fmt: skip
    for _ in range(60):
        model.flat.grad.zero_()
        model.loss(batch).backward()
        optimiser.step()
    losses, extracted = code_losses(model, canary, codes)
    assert extracted
    assert losses[0] < losses[1:].min()
    assert code_losses(model, canary, codes[1:])[1] is False


def test_sentences_are_refused_where_there_are_none(settings, task):
    with pytest.raises(ValueError, match="ranks sentences, and the task is of kind classification"):
        make_config(settings | {"audit": "canaries"})
    with pytest.raises(ValueError, match="plants sentences, and the task is of kind"):
        poison([make_attack("canaries", share=0.25)], _labelled(), thirds(), 0)
    short = encode(colour_texts(), byte_tokenizer(), "bytes", "causal-lm", 24)
    with pytest.raises(ValueError, match=r"raise task\.max_length to"):
        poison([make_attack("canaries", share=0.25)], short, thirds(), 0)
    with pytest.raises(ValueError, match="there are names for 256"):
        draw_canaries(0, 257)


def _labelled():
    return encode(colour_texts(), byte_tokenizer(), "bytes", "classification", 64)
