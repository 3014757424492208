"""A generator learns a class's words from models alone, and nothing from one that nobody taught."""

from typing import Any

import numpy as np
import pytest
import torch
from leaky_federation import bold_bert

from fedbytes.data import EncodedTask
from fedbytes.data.text_data import Split, make_split, make_text_data
from fedbytes.data.tokens.token_cache import encode
from fedbytes.experiments import make_config
from fedbytes.federated import (
    Federation,
    Simulation,
    StageContext,
    make_algorithm,
    make_attack,
    make_audit,
    make_link,
    make_plugins,
)
from fedbytes.federated.adversarial.text_generator import TextGenerator, public_words
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.testing.tiny_task import on_cpu
from fedbytes.streams import stream

COMMON = [*"klmnopqrstuvwxyz"]
OWN = {"letters": [*"abcdef"], "digits": [*"0123456789"], "marks": [*"!#$%&*+?"]}
AUDIT = {"name": "gan", "label": "digits", "steps": 60}
ROUNDS = 6


def texts(count: int, seed: int) -> Split:
    rng = stream(seed, "texts of own letters")
    labels = np.array([*OWN])[np.arange(count) % 3]
    rows = [
        "".join(rng.permutation([*rng.choice(COMMON, 5), *rng.choice(OWN[label], 5)]))
        for label in labels
    ]
    return make_split(rows, {"label": labels})


def task() -> EncodedTask:
    data = make_text_data("own letters", texts(90, 0), texts(45, 1))
    return encode(data, byte_tokenizer(), "bytes", "classification", 10)


def simulation(rate: float = 3e-3, **sections: Any) -> Simulation:
    """Three clients, of whom the second alone has digits."""
    place = np.arange(90)
    parts = [place[(place % 3 == 0) & (place % 2 == 0)], place[place % 3 == 1]]
    parts.append(place[(place % 3 == 2) | ((place % 3 == 0) & (place % 2 == 1))])
    training = {"local_steps": 12, "batch_size": 8, "optimizer": "adamw", "learning_rate": rate}
    fed = Federation(
        model=build_model(on_cpu(bold_bert()), "full", task(), prefix_cache=False),
        parts=parts,
        algorithm=make_algorithm("fedavg", **training),
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=3,
        plugins=make_plugins(**sections),
    )
    return Simulation(fed)


def written(rate: float, rounds: int, **sections: Any) -> dict[str, Any]:
    """Return what generators write that learned from the last round's model."""
    run = simulation(rate, audit=AUDIT | {"rounds": [rounds]}, **sections)
    for _ in range(rounds):
        run.run_round()
        found = run.audit()
    (row,) = found
    return row


def test_a_generator_writes_the_words_of_a_class_that_its_owner_never_saw():
    row = written(3e-3, ROUNDS)
    assert row["label"] == "digits"
    assert row["precision"] > max(2 * row["chance"], row["chance"] + 0.1)
    assert row["precision"] > row["precision_begun"] + 0.05
    assert row["probability"] > 1.5 * row["chance_probability"]
    assert row["found"] <= row["private_words"]


def test_two_audits_keep_their_columns_apart():
    rows = [
        {"label": "crude", "precision": 0.3, "precision_begun": 0.1, "chance": 0.09},
        {"label": "ship", "precision": 0.6, "precision_begun": 0.2, "chance": 0.08},
    ]
    columns = make_audit("gan").columns([{"probability": 0.5, **row} for row in rows])
    assert (columns["gan_precision_crude"], columns["gan_precision_ship"]) == (0.3, 0.6)
    assert (columns["begun_gan_precision_crude"], columns["begun_gan_precision"]) == (0.1, 0.2)


def test_a_model_that_nobody_taught_tells_it_nothing():
    row = written(1e-9, 2)
    assert row["precision"] == pytest.approx(row["precision_begun"], abs=0.03)
    assert row["probability"] == pytest.approx(1 / 3, abs=0.01)


def test_what_is_public_leaves_out_how_often_a_class_has_its_words():
    known = task()
    label = [*known.label_names].index("digits")
    words, others = public_words(known, label)
    digits = known.tokenizer(["".join(OWN["digits"])], add_special_tokens=False)["input_ids"][0]
    shares = dict(zip(words.tokens.tolist(), words.shares.tolist(), strict=True))
    assert len(others) == 30
    assert {shares[one] for one in digits if one in shares} == {min(shares.values())}
    assert sum(shares.values()) == pytest.approx(1)
    model = build_model(on_cpu(bold_bert()), "head", known, prefix_cache=False)
    made = TextGenerator(model, words, np.random.default_rng(0))
    made.learn(label, 2, 0.1)
    assert float(model.flat.grad.abs().max()) == 0, "it learns, and the model does not"
    again = TextGenerator(model, words, np.random.default_rng(0), made.vector)
    assert torch.equal(again.vector, made.vector)
    assert {*made.texts(4).flatten().tolist()} <= {*words.tokens.tolist()}


def test_the_hostile_client_changes_its_own_message_and_costs_no_byte():
    runs = [
        simulation(attack=attack)
        for attack in (None, {"name": "gan", "share": 0.34, "label": "digits", "steps": 3})
    ]
    sent = []
    for run in runs:
        run.run_round()
        sent.append(run.ledger.total)
    hostile = runs[1].fed.population.hostile_sets[0]
    assert len(hostile) == 1
    assert sent[0] == sent[1]
    assert not torch.equal(runs[0].state.model, runs[1].state.model)


def test_generated_texts_are_taught_to_be_of_the_declared_class():
    """With that loss alone, the model comes to call what the generator writes by that name."""
    attack = make_attack("gan", label="digits", declare="marks", steps=30, weight=1.0)
    run = simulation()
    run.run_round()
    model: Any = run.fed.model
    model.set_state(run.state.model)
    context = run.fed.context(2).for_client(0)
    where = StageContext.of(context, run.state.model, "attack 0 gan")
    hostile = attack.loss(lambda batch: torch.zeros(()), where)
    first = float(hostile(None).detach())
    optimizer = torch.optim.SGD([model.flat], lr=0.05)
    for _ in range(8):
        model.flat.grad.zero_()
        hostile(None).backward()
        optimizer.step()
    assert float(hostile(None).detach()) < first - 0.1


def test_what_has_no_classes_or_not_this_one_is_refused(settings):
    fields = {"task": {"name": "news-instruct"}, "model": {"name": "smollm2-135m"}}
    with pytest.raises(ValueError, match="generates texts of a class, and the task is of kind"):
        make_config(settings | fields | {"audit": "gan"})
    run = simulation(audit={"name": "gan", "label": "digit"})
    run.run_round()
    with pytest.raises(ValueError, match="no class 'digit'; did you mean 'digits'"):
        run.audit()
    with pytest.raises(ValueError, match="label and declare are both 'marks'"):
        make_attack("gan", label="marks", declare="marks")
    with pytest.raises(ValueError, match="labels have no 'marx'"):
        make_attack("gan", label="marx").check_task(task())
