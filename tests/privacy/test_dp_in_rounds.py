"""Differential privacy in a run: the noise is there, behind whatever follows, and what it costs."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.compression import Frame, Layout
from fedbytes.federated import (
    Hooks,
    State,
    make_aggregation,
    make_algorithm,
    make_link,
    make_plugins,
)
from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.stages.privacy_account import (
    epsilon_after,
    privacy_label,
    privacy_note,
    promise,
)
from fedbytes.federated.testing.bench_federation import Workbench, find_model
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import TinyRegression
from fedbytes.privacy.participation import Participation
from fedbytes.streams import stream

CLIP, NOISE = 0.5, 2.0
FIXED = make_link({"name": "fixed", "clip": 4.0, "bits": 16})
TOPK = {"name": "topk", "density": 0.1, "error_feedback": True}


class Wide:
    """A model with as many numbers as statistics need, none of which matters to its loss."""

    def __init__(self, tensors=4):
        self.layout = Layout({f"part{i}": (100_000 // tensors,) for i in range(tensors)})
        self.flat = torch.nn.Parameter(torch.zeros(self.layout.numel))
        self.flat.grad = torch.zeros_like(self.flat)

    def draw_initial(self, seed):
        return torch.zeros(self.layout.numel)

    def set_state(self, state):
        with torch.no_grad():
            self.flat.copy_(state)

    def batches(self, indices, batch_size, rng):
        return itertools.repeat(indices)

    def loss(self, batch):
        return 0.0 * self.flat[0]


def dp(**fields):
    return {"name": "dp", "clip": CLIP, "noise": NOISE, "delta": 0.01} | fields


def still(**fields):
    """An algorithm whose clients send hardly anything; zeros, where the model has no gradient."""
    return make_algorithm("fedavg", local_steps=1, learning_rate=1e-30, optimizer="sgd", **fields)


def run_of(make_run, clients=4, **fields):
    fields = {"algorithm": still()} | fields
    privacy = fields.pop("privacy")
    return make_run(clients, plugins=make_plugins(privacy=privacy), **fields)


def settled(numel, clients, **fields):
    (mechanism,) = make_plugins(privacy=dp(**fields)).privacy
    return mechanism.calibrated(Participation("fixed", 1000, clients, numel=numel))


def within(found, variance, count):
    """Whether a variance estimated from so many numbers is within four standard errors."""
    return abs(found - variance) < 4 * variance * math.sqrt(2 / count)


@pytest.mark.parametrize("rounds", [1, 5])
@pytest.mark.parametrize("uplink", ["fp32", TOPK, {**TOPK, "error_feedback": "ef21"}], ids=str)
def test_central_noise_adds_up_behind_codec_and_error_feedback(make_run, uplink, rounds):
    """Of zeros, so that all that moves the model is noise; it must not cancel over rounds."""
    run = run_of(make_run, model=Wide(), uplink=make_link(uplink), privacy=dp())
    start = run.state.model.clone()
    run.go(rounds)
    moved = (run.state.model - start).double()
    variance = rounds * (NOISE * CLIP / 4) ** 2
    assert within(float(moved.var()), variance, len(moved))
    assert abs(float(moved.mean())) < 4 * math.sqrt(variance / len(moved))


@pytest.mark.parametrize("rounds", [1, 5])
def test_local_noise_adds_up_over_clients_and_rounds(make_run, rounds):
    run = run_of(make_run, model=Wide(), privacy=dp(where="local"))
    start = run.state.model.clone()
    run.go(rounds)
    moved = (run.state.model - start).double()
    assert within(float(moved.var()), rounds * (NOISE * CLIP) ** 2 / 4, len(moved))


def test_noise_that_is_left_out_is_found(make_run, monkeypatch):
    """The check of the variance is one: without noise nothing moves."""
    monkeypatch.setattr("fedbytes.privacy.mechanisms.dp.gaussian_noise", lambda n, *_: np.zeros(n))
    run = run_of(make_run, model=Wide(), privacy=dp())
    start = run.state.model.clone()
    moved = (run.go(1).state.model - start).double()
    assert not within(float(moved.var()), (NOISE * CLIP / 4) ** 2, len(moved))


@pytest.mark.parametrize("uplink", [TOPK, {"name": "fp32", "momentum": 0.9}], ids=str)
def test_local_noise_is_refused_where_the_sender_would_take_it_back(make_run, uplink):
    with pytest.raises(ValueError, match=r"'dp' bounds what is sent.*error_feedback=false"):
        run_of(make_run, uplink=make_link(uplink), privacy=dp(where="local"))


@pytest.mark.parametrize("where", ["central", "local"])
def test_the_server_cannot_draw_the_noise_from_what_both_ends_know(make_run, where):
    """No stream that `Shared` or the algorithm opens takes any of the noise away."""
    run = run_of(make_run, model=Wide(), privacy=dp(where=where))
    start = run.state.model.clone()
    noise = (run.go(1).state.model - start).double().numpy()
    shared = [run.fed.shared_up(run.fed.context(1).for_client(c), None) for c in range(4)]
    shared.append(run.fed.shared(1, 0, None))
    known = [one.generator(name) for one in shared for name in ("round", "dither", "noise", "dp")]
    known += [one.common_generator("noise") for one in shared]
    known += [run.fed.context(1).stream("noise"), stream(0, "clients", 1)]
    for rng in known:
        drawn = rng.normal(size=len(noise))
        assert abs(np.corrcoef(drawn, noise)[0, 1]) < 5 / math.sqrt(len(noise))
    own = stream(0, "privacy 0 dp", 1, 0).normal(size=len(noise))
    if where == "central":  # and the test can tell
        assert np.corrcoef(own, noise)[0, 1] > 0.999


def test_one_client_more_moves_the_mean_by_at_most_its_share(make_run):
    mechanism = settled(30, 5)
    rng = np.random.default_rng(0)
    lengths = 10.0 ** rng.integers(-3, 4, size=9)
    messages = [(rng.normal(size=30) * length).astype(np.float32) for length in lengths]
    for more in messages:
        few, many = (
            mechanism.release(sent, 30, stream(0, "a test"), {})[0]
            for sent in (messages[:4], [*messages[:4], more])
        )
        gap = float(np.linalg.norm(many.astype(float) - few))
        assert gap <= CLIP / 5 * (1 + 1e-5)
        assert gap == pytest.approx(min(CLIP, float(np.linalg.norm(more))) / 5, rel=1e-3)


@pytest.mark.parametrize("layout", [1, 30])
def test_the_whole_message_is_clipped_control_variates_included(make_run, layout, monkeypatch):
    """Scaffold sends twice the model: both halves count, in however many tensors."""
    monkeypatch.setattr("fedbytes.privacy.mechanisms.dp.gaussian_noise", lambda n, *_: np.zeros(n))
    algorithm = make_algorithm(
        "scaffold", local_steps=2, learning_rate=1.0, weights="clients", batch_size=4
    )
    model = TinyRegression()
    split = {f"part{i}": (len(model.flat) // layout,) for i in range(layout)}
    model.layout = Layout(split | {"rest": (len(model.flat) % layout,)})
    run = run_of(make_run, algorithm=algorithm, model=model, privacy=dp(where="local"))
    run.go(2)
    deltas = [
        torch.frombuffer(bytearray(data[40:-4]), dtype=torch.float32)
        for entry, data in zip(run.ledger.entries, run.crossed, strict=True)
        if entry.kind == "delta"
    ]
    assert len(deltas) == 8
    assert all(len(delta) == 2 * model.layout.numel for delta in deltas)
    norms = [float(delta.double().norm()) for delta in deltas]
    assert max(norms) == pytest.approx(CLIP, rel=1e-5)


def test_clients_count_alike_and_say_nothing_of_their_examples(make_run):
    parts = [np.arange(1), np.arange(1, 40), np.arange(40, 200), np.arange(200, 210)]
    plain, private = make_run(4, parts=parts), run_of(make_run, parts=parts, privacy=dp())
    report = plain.run_round(), private.run_round()
    assert [one.train_loss is None for one in report] == [False, True]
    assert not report[1].agreement
    kinds = {entry.kind for entry in private.ledger.entries}
    assert "metrics" in {entry.kind for entry in plain.ledger.entries} - kinds
    assert plain.ledger.up_bytes - private.ledger.up_bytes == 4 * (12 + 40)


def test_metrics_are_refused_by_a_server_that_must_not_have_them(make_run):
    run = run_of(make_run, privacy=dp())
    run.server.open_round()
    frame = make_run(4).go(1).crossed[-1]
    assert Frame.unpack(frame).kind == 5
    with pytest.raises(ValueError, match="client 3 sent metrics, which are private"):
        run.server.receive(3, [frame])


def test_the_server_clips_what_hostile_clients_send(make_run):
    flip = {"name": "scale", "share": 0.25, "factor": 1e6}
    sections = {"attack": flip, "privacy": dp(noise=0.01)}
    run = make_run(4, plugins=make_plugins(**sections))
    start = run.state.model.clone()
    assert float((run.go(1).state.model - start).norm()) <= CLIP * 1.1


def test_a_resumed_run_has_the_same_noise_and_clip_and_epsilon(make_run, tmp_path):
    fields = {"privacy": dp(clip="adaptive"), "sampling": "poisson", "clients_per_round": 2}
    whole, cut = run_of(make_run, **fields).go(4), run_of(make_run, **fields).go(2)
    cut.state.save(tmp_path / "state.pt", {})
    state, _ = State.load(tmp_path / "state.pt")
    rest = Rehearsal(run_of(make_run, **fields).fed, state).go(2)
    assert torch.equal(rest.state.model, whole.state.model)
    assert rest.state.server.privacy == whole.state.server.privacy
    assert rest.state.server.privacy["privacy 0 dp"]["clip"] != 0.1
    assert epsilon_after(rest.fed, 4) == epsilon_after(whole.fed, 4)


def test_an_adaptive_clip_goes_to_the_median_norm(make_run):
    mechanism = settled(4, 201, clip="adaptive", noise=0.1)
    norms, state = np.linspace(0.5, 3.5, 201), {}
    messages = [np.full(4, norm / 2, np.float32) for norm in norms]
    for round_ in range(60):
        _, state = mechanism.release(messages, 4, stream(0, "a test", round_), state)
    assert state["clip"] == pytest.approx(2.0, rel=0.15)


def test_poisson_rounds_are_coins_of_each_client_and_may_be_empty(make_run):
    fields = {"sampling": "poisson", "clients_per_round": 3}
    run = make_run(10, **fields)
    drawn = [run.fed.context(round_).clients for round_ in range(1, 2001)]
    sizes = np.array([len(one) for one in drawn])
    assert abs(sizes.mean() - 3) < 4 * math.sqrt(2.1 / 2000)
    assert abs(sizes.var() - 2.1) < 0.4  # of a fixed number it would be 0
    each = np.bincount(np.concatenate(drawn).astype(int), minlength=10) / 2000
    assert np.all(np.abs(each - 0.3) < 4 * math.sqrt(0.21 / 2000))
    assert sizes.min() == 0


@pytest.mark.parametrize("privacy", [None, dp()], ids=["plain", "dp"])
def test_a_round_without_clients_moves_the_model_by_noise_alone(make_run, privacy):
    fields = {"sampling": "poisson", "clients_per_round": 1, "model": Wide()}
    run = run_of(make_run, privacy=privacy, **fields)
    empty = next(r for r in range(1, 99) if not run.fed.context(r).clients)
    run.go(empty - 1)
    before = run.state.model.clone()
    report = run.run_round()
    assert report.clients == []
    assert report.train_loss is None
    moved = (run.state.model - before).double()
    if privacy is None:
        assert not moved.any()
    else:
        assert within(float(moved.var()), (NOISE * CLIP) ** 2, len(moved))
    run.go(3)


@pytest.mark.parametrize("name", ["local", "fedkseed", "flora", "scaffold", "fedbpt"])
def test_algorithms_go_on_after_a_round_that_nobody_was_drawn_for(name):
    algorithm = make_algorithm({"name": name, **ALGORITHMS.get(name).examples[0]})
    usual = Workbench(algorithm, find_model(algorithm)).usual()
    fed = replace(usual, sampling="poisson", clients_per_round=1)
    empty = next(r for r in range(1, 99) if not fed.context(r).clients)
    run = Rehearsal(fed).go(empty - 1)
    report = run.run_round()
    assert report.clients == []
    assert report.train_loss is None
    run.go(1)


def test_a_sum_without_clients_is_no_error(make_run):
    fields = {"sampling": "poisson", "clients_per_round": 1}
    fixed = FIXED
    run = make_run(4, uplink=fixed, aggregation=sums("uniform"), **fields)
    rounds = next(r for r in range(1, 99) if not run.fed.context(r).clients)
    assert run.go(rounds).state.round == rounds


def sums(weights):
    return make_aggregation("sum_then_decode", weights=weights)


def masks(weights):
    return make_aggregation("masked_sum", weights=weights)


def ciphertexts(weights):
    return make_aggregation("encrypted_sum", weights=weights)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"privacy": dp(delta=0.25)}, r"delta=0.25 is at least 1 / 4 clients.* set delta below"),
        ({"privacy": dp(noise=None, epsilon=8)}, "how many: give Federation"),
        ({"privacy": [dp(), dp()]}, "each account for themselves alone"),
        ({"privacy": dp(), "algorithm": make_algorithm("flora", local_steps=1)}, "flora"),
        (
            {"privacy": dp(), "algorithm": make_algorithm("scaffold", local_steps=1)},
            "set algorithm.weights=clients",
        ),
        (
            {"privacy": dp(), "algorithm": make_algorithm("majority_vote", local_steps=1)},
            "needs each client's upload: take one that averages, such as fedavg",
        ),
        (
            {"privacy": dp(), "uplink": make_link({**TOPK, "error_feedback": "ef21-pp"})},
            "set ef21",
        ),
        (
            {"privacy": dp(), "uplink": make_link(TOPK), "clients_per_round": 2},
            r"accounts for 2 of 4 clients.* set sampling=poisson",
        ),
        (
            {
                "privacy": dp(),
                "algorithm": make_algorithm("scaffold", local_steps=1, weights="clients"),
                "clients_per_round": 2,
            },
            r"algorithm 'scaffold' does: set sampling=poisson",
        ),
        (
            {"privacy": [dp(where="local"), "secagg"], "uplink": FIXED},
            "examples and losses that no noise covers: .*set where=distributed",
        ),
        ({"privacy": [dp(), "secagg"], "uplink": FIXED}, "protects each message by itself"),
        *(
            (
                {"privacy": dp(where="local"), "uplink": FIXED, "aggregation": given(weights)},
                "sums them, with examples and losses that no noise covers",
            )
            for given, weights in [
                (masks, "fit"),
                (masks, "uniform"),
                (ciphertexts, "examples"),
                (ciphertexts, "uniform"),
            ]
        ),
        (
            {"privacy": dp(), "hooks": Hooks(before_aggregate=(lambda u, c: u,))},
            "gives it one noisy mean: leave out one",
        ),
        (
            {
                "privacy": dp(),
                "uplink": FIXED,
                "aggregation": sums("uniform"),
            },
            "set aggregation.name=decode_each",
        ),
        (
            {
                "privacy": dp(where="local"),
                "uplink": FIXED,
                "aggregation": sums("examples"),
            },
            "set aggregation.weights=uniform",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:30],
)
def test_what_voids_the_promise_is_refused_in_one_line(make_run, fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        run_of(make_run, **fields)
    assert "\n" not in str(caught.value)


def test_a_rule_that_needs_single_uploads_is_refused(make_run):
    with pytest.raises(ValueError, match="'median' needs each client's delta, in the place of"):
        make_run(4, plugins=make_plugins(privacy=dp(), defense="median"))
    with pytest.raises(ValueError, match=r"'median' is made for a number .* set sampling=fixed"):
        make_run(4, plugins=make_plugins(defense="median"), sampling="poisson")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clip": None}, "clip is not given"),
        ({"clip": 0.0}, "clip must be above 0"),
        ({"delta": None}, "delta is not given"),
        ({"noise": None}, "either noise or epsilon, got noise=None and epsilon=None"),
        ({"epsilon": 8.0}, "either noise or epsilon, got noise=2.0 and epsilon=8.0"),
        ({"clip": "adaptive", "where": "local"}, "set clip to a number"),
        ({"first_clip": 1.0}, "first_clip=1 is for clip=adaptive"),
        ({"noise": 1e-3}, "noise must be at least"),
        ({"unit": "text"}, "unit must be"),
        ({"bits": 12}, "bits=12 is of where=distributed, and where is central"),
        ({"mechanism": "skellam"}, "mechanism=skellam is not the noise of where=central"),
        ({"where": "distributed", "mechanism": "gaussian"}, "set mechanism=skellam"),
    ],
    ids=str,
)
def test_a_promise_that_says_too_little_is_refused(fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_plugins(privacy=dp(**fields))
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_is_refused_before_the_run(make_run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dp_accounting", None)
    with pytest.raises(ValueError, match=r"requires dp-accounting: pip install 'fedbytes\[dp\]'"):
        run_of(make_run, privacy=dp())


def test_a_promise_is_told_whole(make_run):
    privacy = dp(noise=None, epsilon=3.0, delta=0.1)
    run = run_of(make_run, privacy=privacy, rounds=5, sampling="poisson", clients_per_round=2)
    (label,) = privacy_label(run.fed).values()
    assert label == "dp central clip=0.5 ε=3 δ=0.1 per client, add/remove, PLD"
    told = promise(run.fed, 5)
    account = told["privacy_account"]
    assert told["epsilon"] == pytest.approx(3.0, abs=5e-3)
    assert told["epsilon"] <= 3.0
    assert account["sampling_rate"] == 0.5
    assert round(account["noise"], 4) == account["noise"]
    spent = [epsilon_after(run.fed, rounds)["epsilon"] for rounds in range(6)]
    assert spent == sorted(spent)
    assert spent[0] == 0
    ratio = account["noise"] * math.sqrt(run.fed.layout.numel) / 2
    assert f"{ratio:.3g} times as long as the clip" in privacy_note(run.fed)


def test_the_accountant_follows_the_sampling(make_run):
    found = {}
    for sampling in ("fixed", "poisson"):
        for clients in (2, 4):
            fed = run_of(make_run, privacy=dp(), sampling=sampling, clients_per_round=clients).fed
            account = promise(fed, 3)["privacy_account"]
            found[sampling, clients] = account["relation"], account["accountant"]
    assert found == {
        ("fixed", 2): ("replace-one", "RDP"),
        ("fixed", 4): ("replace-one", "PLD"),
        ("poisson", 2): ("add/remove", "PLD"),
        ("poisson", 4): ("add/remove", "PLD"),
    }


def test_clients_without_examples_are_not_among_those_that_hide_each_other(make_run):
    parts = [np.arange(c, 60, 4) for c in range(4)] + [np.zeros(0, np.int64)] * 96
    run = run_of(make_run, parts=parts, privacy=dp(), sampling="poisson", clients_per_round=2)
    assert promise(run.fed, 1)["privacy_account"]["sampling_rate"] == 0.5
    with pytest.raises(ValueError, match="at least 1 / 4 clients"):
        run_of(make_run, parts=parts, privacy=dp(delta=0.3))


def test_local_noise_is_accounted_for_by_the_rounds_that_a_client_was_in(make_run):
    fed = run_of(make_run, 10, privacy=dp(where="local"), clients_per_round=2).fed
    turns = np.bincount(np.concatenate([fed.context(r).clients for r in range(1, 7)])).max()
    assert turns < 6
    whole = run_of(make_run, 10, privacy=dp(where="local")).fed
    assert epsilon_after(fed, 6) == epsilon_after(whole, int(turns))


def test_messages_of_several_lengths_have_noise_of_their_own_length(make_run):
    algorithm = make_algorithm("streaming_diloco", fragments=2, local_steps=2, learning_rate=0.05)
    run = run_of(make_run, algorithm=algorithm, privacy=dp())
    context = [run.fed.context(round_).for_client(0) for round_ in (1, 2)]
    assert len({run.fed.algorithm.up(one).numel for one in context}) == 2
    run.go(3)
    with pytest.raises(ValueError, match="one grid for all rounds, and messages have"):
        run_of(make_run, algorithm=algorithm, privacy=[dp(where="distributed"), "secagg"])


def test_a_length_that_only_comes_late_is_refused_before_the_run_or_in_the_round(make_run):
    model, algorithm = (
        TinyRegression(),
        make_algorithm("streaming_diloco", fragments=12, local_steps=1),
    )
    rest = model.layout.numel - 11 * 70
    model.layout = Layout({f"{i}.part": (70,) for i in range(11)} | {"11.part": (rest,)})
    fields = {"model": model, "algorithm": algorithm}
    privacy = [dp(where="distributed"), "secagg"]
    with pytest.raises(ValueError, match="messages have 70 and 133 numbers in turns") as caught:
        run_of(make_run, **fields, privacy=privacy)
    assert "\n" not in str(caught.value)
    settled_sum = settled(70, 10, where="distributed").noisy_sum(10)
    assert settled_sum.code(70).share > 0
    with pytest.raises(ValueError, match="accounts for messages of 70 numbers, and one has 133"):
        settled_sum.integers(np.zeros(133, np.float32), stream(0, "a test"))


def test_rounds_are_drawn_once_to_count_turns(make_run):
    fed = run_of(make_run, 10, privacy=dp(where="local"), clients_per_round=2).fed
    drawn = [fed.context(round_).clients for round_ in range(1, 31)]
    asked, draw = [], fed.population.drawn
    fed.population.drawn = lambda round_: asked.append(round_) or draw(round_)
    found = [fed.participation.most_turns(rounds) for rounds in range(31)]
    assert found[0] == 0
    assert found[1:] == [
        int(np.bincount(np.concatenate(drawn[:rounds])).max()) for rounds in range(1, 31)
    ]
    assert fed.participation.most_turns(7) == found[7]
    assert asked == [*range(1, 31)]


def test_another_seed_is_other_noise(make_run):
    first = run_of(make_run, privacy=dp())
    other = Rehearsal(replace(first.fed, seed=1))
    moves = [(run.state.model.clone(), run.go(1).state.model) for run in (first, other)]
    noise = [after - before for before, after in moves]
    assert abs(float(torch.corrcoef(torch.stack(noise))[0, 1])) < 0.2
