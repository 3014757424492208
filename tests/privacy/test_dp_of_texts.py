"""A promise to each text: what clients send has the noise, and nothing else tells of a text."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout
from fedbytes.federated import State, make_algorithm, make_link, make_plugins
from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.per_example.fit import why_not_per_example
from fedbytes.federated.stages.privacy_account import (
    epsilon_after,
    privacy_label,
    privacy_note,
    promise,
)
from fedbytes.federated.stages.private_steps import private_steps
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import TinyRegression
from fedbytes.privacy import PRIVACY, make_privacy
from fedbytes.privacy.dp.example_account import ExampleAccount
from fedbytes.privacy.gradient_noise import LocalSampling
from fedbytes.privacy.participation import Participation
from fedbytes.streams import stream

CLIP, NOISE = 0.5, 2.0
ECSQ = {"name": "ecsq", "bits": 1.5, "error_feedback": True}


class Still:
    """A model with as many numbers as statistics need, none of which matters to its loss."""

    def __init__(self):
        self.layout = Layout({"part": (100_000,)})
        self.flat = torch.nn.Parameter(torch.zeros(self.layout.numel))
        self.flat.grad = torch.zeros_like(self.flat)

    def draw_initial(self, seed):
        return torch.zeros(self.layout.numel)

    def set_state(self, state):
        with torch.no_grad():
            self.flat.copy_(state)

    def batches(self, indices, batch_size, rng):
        while True:
            yield indices

    def loss(self, batch):
        return 0.0 * self.flat[0]


def texts(**fields):
    """A promise to each text."""
    given = {"name": "dp", "unit": "example", "clip": CLIP, "noise": NOISE, "delta": 1e-3}
    return given | fields


def sgd(**fields):
    given = {"local_steps": 2, "batch_size": 4, "learning_rate": 1.0, "optimizer": "sgd"}
    return make_algorithm({"name": "fedavg"} | given | fields)


def run_of(make_run, clients=4, **fields):
    sections = {key: fields.pop(key) for key in ("defense", "clean", "attack") if key in fields}
    plugins = make_plugins(privacy=fields.pop("privacy", texts()), **sections)
    return make_run(clients, **{"plugins": plugins, "rounds": 5, "algorithm": sgd()} | fields)


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "expected"),
    [(1.0, (10_000, 100), 1000, 1.829), (1.0, (1000, 100), 100, 7.047), (1.0, (9, 9), 1, 4.377)],
)
def test_epsilon_is_that_of_gaussian_noise_on_texts_drawn_by_coins(noise, rate, steps, expected):
    """Of dp-accounting alone, at its default grid; half of the steps in each of two rounds."""
    rounds = 2 if steps > 1 else 1
    sampled = LocalSampling(*rate, steps // rounds)
    account = ExampleAccount(1e-5, Participation("fixed", 3, 3, sampled=sampled))
    cost = account.cost(noise, rounds)
    assert cost.epsilon == pytest.approx(expected, rel=0.01)
    assert cost.accountant == "PLD"


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_the_noise_of_all_steps_is_in_the_delta(make_run, rounds, momentum):
    run = run_of(make_run, model=Still(), algorithm=sgd(momentum=momentum))
    start = run.state.model.clone()
    moved = (run.go(rounds).state.model - start).double()
    of_steps = 1 + (1 + momentum) ** 2  # the first step's gradient moves the second as well
    variance = rounds * of_steps * (NOISE * CLIP / 4) ** 2 / 4
    assert abs(float(moved.var()) - variance) < 4 * variance * math.sqrt(2 / len(moved))
    assert abs(float(moved.mean())) < 4 * math.sqrt(variance / len(moved))


def test_the_server_cannot_draw_the_noise_from_what_both_ends_know(make_run):
    run = run_of(make_run, model=Still(), algorithm=sgd(local_steps=1))
    start = run.state.model.clone()
    noise = (run.go(1).state.model - start).double().numpy()
    shared = [run.fed.shared_up(run.fed.context(1).for_client(c), None) for c in range(4)]
    known = [one.generator(name) for one in shared for name in ("round", "dither", "noise", "dp")]
    known += [one.common_generator("noise") for one in shared]
    known += [run.fed.context(1).stream("noise"), stream(0, "clients", 1)]
    for rng in known:
        drawn = rng.normal(size=len(noise))
        assert abs(np.corrcoef(drawn, noise)[0, 1]) < 5 / math.sqrt(len(noise))
    own = sum(stream(0, "privacy 0 dp", 1, c).normal(size=len(noise)) for c in range(1, 5))
    assert np.corrcoef(own, noise)[0, 1] < -0.999  # and the test can tell


class ByCoins(TinyRegression):
    """Batches in which each text is by a coin of its own, and gradients over 8 texts."""

    def batches(self, indices, batch_size, rng):
        while True:
            yield torch.from_numpy(indices[rng.random(len(indices)) < batch_size / len(indices)])

    def loss(self, batch):
        if not len(batch):
            return 0 * self.flat.sum()
        return super().loss(batch) * len(batch) / 8


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_without_noise_and_clip_it_trains_as_it_would_on_batches_by_coins(
    make_run, monkeypatch, optimizer
):
    monkeypatch.setattr(
        "fedbytes.federated.per_example.steps.gaussian_noise", lambda n, *_: np.zeros(n)
    )
    algorithm = sgd(local_steps=6, batch_size=8, learning_rate=0.05, optimizer=optimizer)
    plain = make_run(4, model=ByCoins(), algorithm=algorithm).go(2).state.model
    wide = run_of(make_run, privacy=texts(clip=1e6), algorithm=algorithm).go(2).state.model
    tight = run_of(make_run, privacy=texts(clip=0.1), algorithm=algorithm).go(2).state.model
    assert torch.allclose(wide, plain, atol=1e-5)
    assert not torch.allclose(tight, plain, atol=1e-2)


def test_a_resumed_run_has_the_same_noise_and_epsilon(make_run, tmp_path):
    fields = {"uplink": make_link(ECSQ), "privacy": texts(noise=None, epsilon=8.0)}
    whole, cut = run_of(make_run, **fields).go(4), run_of(make_run, **fields).go(2)
    cut.state.save(tmp_path / "state.pt", {})
    state, _ = State.load(tmp_path / "state.pt")
    rest = Rehearsal(run_of(make_run, **fields).fed, state).go(2)
    assert torch.equal(rest.state.model, whole.state.model)
    assert cut.crossed + rest.crossed == whole.crossed
    assert epsilon_after(rest.fed, 4) == epsilon_after(whole.fed, 4)
    other = Rehearsal(replace(run_of(make_run, **fields).fed, seed=1)).go(4)
    assert not torch.equal(other.state.model, whole.state.model)


def test_the_promise_is_that_of_the_client_with_fewest_texts_and_told_whole(make_run):
    parts = [np.arange(20), np.arange(20, 100), np.arange(100, 240)]
    privacy = texts(noise=None, epsilon=6.0)
    run = run_of(make_run, 3, parts=parts, privacy=privacy, clients_per_round=3)
    told = promise(run.fed, 5)
    account = told["privacy_account"]
    assert 5.9 < told["epsilon"] <= 6.0
    assert round(account["noise"], 4) == account["noise"]
    del account["noise"]
    assert account == {
        "delta": 1e-3, "relation": "zero-out", "unit": "example", "accountant": "PLD",
        "steps": 10, "sampling_rate": 4 / 20,
    }  # fmt: skip
    (label,) = privacy_label(run.fed).values()
    assert label == "dp steps clip=0.5 ε=6 δ=0.001 per example, zero-out, PLD"
    spent = [epsilon_after(run.fed, rounds)["epsilon"] for rounds in range(6)]
    assert spent == sorted(spent)
    assert spent[0] == 0
    ratio = run.fed.privacy[0].noise * math.sqrt(run.fed.layout.numel) / 4
    assert f"a step's mean gradient is {ratio:.3g} times as long" in privacy_note(run.fed)


def test_steps_are_counted_of_rounds_that_a_client_was_in(make_run):
    fed = run_of(make_run, 10, clients_per_round=2, rounds=None).fed
    turns = np.bincount(np.concatenate([fed.context(r).clients for r in range(1, 7)])).max()
    assert promise(fed, 6)["privacy_account"]["steps"] == 2 * turns < 12


def test_clients_count_alike_and_say_nothing_of_their_examples(make_run):
    parts = [np.arange(10), np.arange(10, 40), np.arange(40, 200), np.arange(200, 210)]
    run = run_of(make_run, parts=parts)
    assert run.run_round().train_loss is None
    assert "metrics" not in {entry.kind for entry in run.ledger.entries}


FREE = [
    {"uplink": make_link(ECSQ)},
    {"uplink": make_link({"name": "topk", "density": 0.1, "error_feedback": "ef21"})},
    {"uplink": make_link({"name": "fp32", "momentum": 0.9})},
    {"uplink": make_link(ECSQ), "clients_per_round": 2},
    {"algorithm": sgd(server_momentum=0.9)},
    {"algorithm": sgd(max_grad_norm=1.0, optimizer="adamw")},
    {"algorithm": sgd(name="fedprox", mu=0.1)},
    {"algorithm": sgd(name="scaffold", weights="clients")},
    {"algorithm": sgd(name="fednova"), "sampling": "poisson"},
    {"defense": "median"},
]


@pytest.mark.parametrize("fields", FREE, ids=lambda fields: "-".join(fields))
def test_what_follows_the_noise_is_free(make_run, fields):
    run = run_of(make_run, **fields)
    start = run.state.model.clone()
    assert not torch.equal(run.go(3).state.model, start)
    assert epsilon_after(run.fed, 3)["epsilon"] > 0


REFUSED = [
    ({"privacy": texts(delta=0.02)}, r"delta=0.02 is at least 1 / 60 texts.* below 0.017"),
    ({"privacy": texts(noise=None, epsilon=8), "rounds": None}, "how many: give Federation"),
    ({"privacy": [texts(), texts()]}, "each account for themselves alone"),
    ({"algorithm": sgd(local_steps=None, local_epochs=2)}, "local_epochs=2 .*algorithm.local_st"),
    (
        {"algorithm": make_algorithm("fedkseed", local_steps=1)},
        "'fedkseed' takes .* such as fedavg",
    ),
    ({"algorithm": make_algorithm("diloco", local_steps=1)}, "'diloco' takes .* such as fedavg"),
    ({"algorithm": sgd(name="fedavg_ft")}, "'fedavg_ft' has them predict with models of their own"),
    ({"algorithm": sgd(name="scaffold")}, "set algorithm.weights=clients"),
    ({"defense": "freelb"}, "in the place of which defense 'freelb' puts one of a whole batch"),
    ({"clean": "spectral"}, "cleaner 'spectral' drops some by what others say: leave out one"),
    ({"clients_at_once": 2}, "the gradient of each text by itself: set clients_at_once=1"),
    (
        {"privacy": [texts(), "secagg"], "uplink": make_link({"name": "fixed", "clip": 4.0})},
        "with examples and losses that no noise covers: leave it out$",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_voids_the_promise_is_refused_in_one_line(make_run, fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        run_of(make_run, **fields)
    assert "\n" not in str(caught.value)


def test_rows_that_are_cut_out_of_several_texts_are_refused():
    refusal = why_not_per_example(make_plugins(privacy=texts()), sgd(), packed=True)
    assert "set task.pack=false" in refusal
    assert why_not_per_example(make_plugins(privacy=texts()), sgd()) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"where": "central"}, "where=central has noise on clients' messages.*leave where out"),
        ({"where": "distributed"}, "where=distributed has noise on clients' messages"),
        ({"clip": "adaptive"}, "unit=example clips the gradients of texts: set clip to a number"),
        ({"clip": None}, "clip is not given"),
        ({"delta": None}, "delta is not given: set it below 1 / texts of a client"),
        ({"bits": 12}, "bits=12 is of where=distributed"),
        ({"mechanism": "skellam"}, "set mechanism=gaussian"),
        ({"unit": "texts"}, "unit must be one of client, example"),
    ],
    ids=str,
)
def test_a_promise_that_says_too_little_is_refused(fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_plugins(privacy=texts(**fields))
    assert "\n" not in str(caught.value)


def test_noise_does_not_tell_how_many_texts_a_small_client_has(make_run):
    """A batch asks for more than there are: one text more must not change the noise's size."""
    algorithm = sgd(local_steps=1, batch_size=64, learning_rate=1.0)
    spreads = []
    for count in (2, 20):
        parts = [np.arange(count), np.arange(20, 240)]
        run = run_of(
            make_run, 2, parts=parts, privacy=texts(clip=1e-6, noise=1e6), algorithm=algorithm
        )
        start = run.fed.algorithm.initial(run.fed.model, 0)
        context = run.fed.context(1).for_client(0)
        with private_steps(run.fed, context):
            rng = run.fed.batch_rng(1, 0)
            delta = run.fed.algorithm.train(context, start, parts[0], {}, rng).delta
        spreads.append(float(delta.std()))
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-3)
    assert spreads[0] == pytest.approx(1 / 64, rel=0.5)


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_every_algorithm_is_refused_or_takes_plain_steps(name):
    """Those that are not named here train in a way that noise on steps does not cover."""
    cls = ALGORITHMS.get(name)
    fields = dict(cls.examples[0])
    if fields.pop("local_epochs", None):
        fields["local_steps"] = 2
    made = cls(**fields)
    plugins = make_plugins(privacy=texts())
    plain = why_not_per_example(plugins, made) is None
    assert plain == (name in PLAIN)
    assert not plain or isinstance(made, Averaging)


PLAIN = {
    "fedadagrad", "fedadam", "fedavg", "fedavgm", "feddyn", "fedex_lora", "fedit",
    "fednova", "fedprox", "fedyogi", "fetchsgd", "flasc", "flora", "majority_vote", "scaffold",
}  # fmt: skip


@dataclass(frozen=True)
class TwicePlain(Averaging):
    """Says that its steps are plain, and takes them twice."""

    takes_plain_steps = True
    name = "twice_plain"

    def client(self, model, start, indices, memory, rng):
        self.local(model, start, indices, memory, rng)
        return self.local(model, start, indices, memory, rng)


def test_steps_that_nobody_accounts_for_are_not_sent(make_run):
    run = run_of(make_run, algorithm=TwicePlain(local_steps=2))
    with pytest.raises(ValueError, match="took 4 private steps in round 1, and 2 are accounted"):
        run.go(1)
    assert "delta" not in {entry.kind for entry in run.ledger.entries}


def test_a_promise_to_clients_has_the_specification_that_it_had():
    spec = PRIVACY.spec(make_privacy("dp", clip=0.5, noise=1.0, delta=0.01))
    assert (spec["where"], spec["unit"]) == ("central", "client")
    mine = PRIVACY.spec(make_privacy("dp", unit="example", clip=0.5, noise=1.0, delta=0.01))
    assert mine["where"] == "local"
    assert mine.keys() == spec.keys()
    assert make_privacy(mine) == make_privacy("dp", unit="example", clip=0.5, noise=1.0, delta=0.01)
