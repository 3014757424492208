"""Noise that clients add together, behind secure aggregation."""

import math

import numpy as np
import pytest
import torch

from fedbytes.federated import State, make_algorithm, make_link, make_plugins
from fedbytes.federated.stages.privacy_account import epsilon_after, privacy_label, promise
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.privacy.participation import Participation
from fedbytes.streams import stream

CLIP, NOISE = 0.5, 2.0
STILL = make_algorithm("fedavg", local_steps=1, learning_rate=1e-30, optimizer="sgd")


def dp(**fields):
    return {"name": "dp", "where": "distributed", "clip": CLIP, "delta": 0.01} | (
        {} if "epsilon" in fields else {"noise": NOISE}
    ) | fields  # fmt: skip


def run_of(make_run, clients=6, secagg=None, privacy=None, **fields):
    section = [privacy or dp(), {"name": "secagg", **(secagg or {})}]
    algorithm = make_algorithm("fedavg", local_steps=1, learning_rate=0.05)
    fields = {"algorithm": algorithm} | fields
    return make_run(clients, plugins=make_plugins(privacy=section), **fields)


def moved(run, rounds=1):
    start = run.state.model.clone()
    return (run.go(rounds).state.model - start).double()


def test_the_model_moves_by_the_clipped_mean_and_noise(make_run):
    """With hardly any noise by the mean itself; else by so much noise, of all together."""
    still = run_of(make_run, privacy=dp(noise=0.01))
    mean = moved(still)
    noisy = torch.stack([moved(run_of(make_run, privacy=dp(noise=n))) for n in (2.0, 4.0)])
    plain = moved(make_run(6, algorithm=still.fed.algorithm))
    assert float(torch.cosine_similarity(mean, plain, dim=0)) > 0.9
    assert float(mean.norm()) <= CLIP * 1.01
    for noise, found in zip((2.0, 4.0), noisy - mean, strict=True):
        assert spread_as(found, (noise * CLIP / 6) ** 2)


def spread_as(noise, variance):
    """Whether numbers are spread so much, within four standard errors."""
    return abs(float(noise.var()) - variance) < 4 * variance * math.sqrt(2 / len(noise))


def test_noise_adds_up_over_rounds(make_run):
    """Of zeros, so that all that moves the model is noise; it must not cancel."""
    for rounds in (1, 4):
        noise = moved(run_of(make_run, algorithm=STILL), rounds)
        assert spread_as(noise, rounds * (NOISE * CLIP / 6) ** 2)


def test_rounds_by_coins_have_the_whole_noise_however_many_come(make_run):
    coins = {"sampling": "poisson", "clients_per_round": 16, "rounds": 3}
    run = run_of(make_run, 40, {"neighbours": 4}, algorithm=STILL, **coins)
    came = set()
    for _ in range(3):
        start = run.state.model.clone()
        report = run.run_round()
        assert report.outcome["summed_clients"] == len(report.clients)
        assert spread_as((run.state.model - start).double(), (NOISE * CLIP / 16) ** 2)
        came.add(len(report.clients))
    assert len(came) > 1
    (kept,) = [one for one in run.state.server.privacy.values() if one]
    assert kept["shares"] == [1.0] * 3
    assert promise(run.fed, 3, run.state.server.privacy) == promise(run.fed, 3)


def test_the_server_cannot_draw_the_noise_from_what_both_ends_know(make_run):
    """No stream that `Shared` or the algorithm opens takes any of it away."""
    run = run_of(make_run, algorithm=STILL)
    noise, context = moved(run).numpy(), run.fed.context(1)
    shared = [run.fed.shared_up(context.for_client(c), None) for c in range(6)]

    def alike(rngs):
        sums, nothing = run.fed.integer_sums(context), np.zeros(len(noise), np.float32)
        total = sum(sums.with_noise(nothing, shared[0], rng) for rng in rngs)
        image = sums.image(total % (1 << sums.bits), len(rngs), shared[0])
        return abs(np.corrcoef(sums.recover(image, shared[0]), noise)[0, 1])

    purpose = "noise of the sum"
    own = [stream(0, f"private {purpose}", 1, c) for c in range(6)]
    assert alike(own) > 0.999  # the test can tell
    for name in (purpose, f"private {purpose}", "noisy sum", "noise", "round", "dp"):
        known = [[one.generator(name) for one in shared], [run.fed.context(1).stream(name)]]
        known.append([one.common_generator(name) for one in shared])
        known.append([run.fed.shared(1, 0, None).generator(name)])
        assert max(map(alike, known)) < 5 / math.sqrt(len(noise))


@pytest.mark.parametrize(("dropout", "allowed"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.6)])
def test_vanished_clients_take_noise_with_them_and_epsilon_says_so(make_run, dropout, allowed):
    secagg = {"dropout": dropout, "vanish": "after-shares", "threshold": 0.51}
    run = run_of(make_run, 10, secagg, dp(dropout=allowed), rounds=6)
    reports = [run.run_round() for _ in range(6)]
    (kept,) = [one for one in run.state.server.privacy.values() if one]
    summed = [report.outcome["summed_clients"] for report in reports]
    assert not any(report.outcome["aborted"] for report in reports)
    assert kept["shares"] == pytest.approx([n / 10 / (1 - allowed) for n in summed])
    promised = epsilon_after(run.fed, 6)["epsilon"]
    spent = epsilon_after(run.fed, 6, run.state.server.privacy)["epsilon"]
    if dropout == allowed == 0:
        assert summed == [10] * 6
        assert spent == promised
    else:
        assert min(summed) < 10
        assert (spent > promised) == (allowed == 0)


def test_one_of_ten_dropped_raises_epsilon():
    (mechanism,) = make_plugins(privacy=dp()).privacy
    settled = mechanism.calibrated(Participation("fixed", 10, 10, 1, numel=900))
    whole, fewer = (settled.after_sum(senders, 10, {}) for senders in (10, 9))
    assert settled.spent(1, fewer).epsilon > settled.spent(1, whole).epsilon


def test_a_resumed_run_has_the_same_noise_and_epsilon(make_run, tmp_path):
    secagg = {"dropout": 0.2, "vanish": "after-shares", "threshold": 0.51}
    whole, cut = run_of(make_run, 8, secagg).go(4), run_of(make_run, 8, secagg).go(2)
    cut.state.save(tmp_path / "state.pt", {})
    state, _ = State.load(tmp_path / "state.pt")
    rest = Rehearsal(run_of(make_run, 8, secagg).fed, state).go(2)
    assert torch.equal(rest.state.model, whole.state.model)
    told = [promise(run.fed, 4, run.state.server.privacy) for run in (rest, whole)]
    assert told[0] == told[1]
    assert cut.crossed + rest.crossed == whole.crossed


def test_bits_are_bytes(make_run):
    sizes = {}
    for bits in (8, 12, 16):
        run = run_of(make_run, privacy=dp(bits=bits)).go(1)
        masked = [e for e in run.ledger.entries if e.kind == "masked"]
        sizes[bits] = {entry.payload_bytes for entry in masked}
        numel = run.fed.layout.numel
        assert sizes[bits] == {math.ceil(numel * bits / 8)}
        assert not any(entry.kind == "metrics" for entry in run.ledger.entries)


def test_the_server_is_promised_less_than_those_who_see_the_model(make_run):
    """Who took part is no secret to it, so drawing clients hides nobody from it."""
    parts = [np.array([c]) for c in range(120)]
    fields = {"parts": parts, "sampling": "poisson", "clients_per_round": 30, "rounds": 8}
    run = run_of(make_run, privacy=dp(epsilon=6.0, delta=1e-3), **fields)
    told = promise(run.fed, 8)
    account = told["privacy_account"]
    assert told["epsilon"] <= 6.0
    assert (account["relation"], account["accountant"]) == ("add/remove", "RDP")
    assert account["epsilon_to_server"] > 2 * told["epsilon"]
    label = "dp distributed clip=0.5 bits=16 ε=6 δ=0.001 per client, add/remove, RDP + secagg"
    assert privacy_label(run.fed)["privacy"] == label


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"sampling": "poisson", "clients_per_round": 3},
            "three or fewer come with probability .* raise clients_per_round",
        ),
        ({"uplink": make_link({"name": "topk", "density": 0.1})}, "leave uplink out"),
        ({"secagg": {"weights": "examples"}}, "weights"),
        ({"privacy": dp(bits=4, delta=1e-3), "parts": [np.array([c]) for c in range(100)],
          "clients_per_round": 100, "clients": 100}, "bits=4 do not hold the rounding of 100"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:30],
)  # fmt: skip
def test_what_the_noise_cannot_be_joined_with_is_refused(make_run, fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        run_of(make_run, **{"clients": 6} | fields)
    assert "\n" not in str(caught.value)


def test_without_secure_aggregation_it_is_refused(make_run):
    with pytest.raises(ValueError, match="add secagg to privacy"):
        make_run(6, plugins=make_plugins(privacy=dp()))


def test_a_sum_of_fewer_than_three_clients_is_not_opened(make_run):
    """Coins may draw one client alone, whose sum is its update."""
    fixed = make_link({"name": "fixed", "clip": 4.0, "bits": 16})
    secagg = make_plugins(privacy="secagg")
    run = make_run(6, plugins=secagg, uplink=fixed, sampling="poisson", clients_per_round=3)
    found = set()
    while found < {0, 1, 2, 3}:
        before = run.state.model.clone()
        report = run.run_round()
        clients = len(report.clients)
        assert report.outcome["aborted"] == (clients < 3)
        assert report.outcome["summed_clients"] == (clients if clients > 2 else 0)
        assert torch.equal(run.state.model, before) == (clients < 3)
        found.add(clients)


ADAPTIVE = {"clip": "adaptive", "first_clip": 0.4}


def test_a_clip_that_clients_count_goes_to_the_median_norm(make_run):
    """Of nine clients of unlike norms, by hardly any noise; nobody sees who is within it."""
    fields = {"algorithm": make_algorithm("fedavg", local_steps=1, learning_rate=0.05)}
    parts = [np.arange(c * 20, (c + 1) * 20) for c in range(9)]
    run = run_of(make_run, 9, privacy=dp(noise=0.05, bits=20, **ADAPTIVE), parts=parts, **fields)
    clips, norms = [], []
    for _ in range(3):
        context, held = run.fed.context(run.state.round + 1), run.state.model
        deltas = [
            fields["algorithm"]
            .train(context.for_client(c), held, parts[c], {}, run.fed.batch_rng(context.round, c))
            .delta
            for c in range(9)
        ]
        norms.append(np.array([float(delta.norm()) for delta in deltas]))
        run.run_round()
        clips.append(run.state.server.privacy["privacy 0 dp"]["clip"])
    held = [0.4, *clips[:-1]]
    for before, after, sizes in zip(held, clips, norms, strict=True):
        share = float(np.mean(sizes <= before))
        assert after == pytest.approx(before * math.exp(-0.2 * (share - 0.5)), rel=0.06)


def test_the_count_costs_a_number_up_and_a_clip_down_and_no_privacy(make_run):
    fixed = run_of(make_run, 8, privacy=dp(clip=0.4), rounds=3).go(2)
    led = run_of(make_run, 8, privacy=dp(**ADAPTIVE), rounds=3).go(2)

    def sent(run, kind):
        return [entry.payload_bytes for entry in run.ledger.entries if entry.kind == kind]

    assert {a - b for a, b in zip(sent(led, "masked"), sent(fixed, "masked"), strict=True)} == {2}
    assert {a - b for a, b in zip(sent(led, "keys"), sent(fixed, "keys"), strict=True)} == {4}
    one, other = (epsilon_after(run.fed, 3)["epsilon"] for run in (fixed, led))
    assert one == pytest.approx(other, rel=1e-3)
    (dp_of, _), (fixed_of, _) = led.fed.privacy, fixed.fed.privacy
    assert dp_of.noise_ratio > fixed_of.noise_ratio, "the deltas have more noise for it"


def test_a_count_in_a_sum_has_the_noise_that_it_is_accounted_for(make_run):
    """Neighbours differ by the norm that the noise is a multiple of, count and message together."""
    (settled,) = make_plugins(privacy=dp(noise=1.0, bits=20, **ADAPTIVE)).privacy
    settled = settled.calibrated(Participation("fixed", 40, 40, 1, numel=63))
    sums = settled.noisy_sum(40)
    deviation, rng = 2.0, stream(0, "counts")  # a twentieth of forty clients
    inside = np.full(63, 0.3 / 63**0.5, np.float32)
    outside = np.full(63, 9 / 63**0.5, np.float32)
    messages = [inside] * 30 + [outside] * 10
    for message in (inside, outside):
        length = np.linalg.norm(sums.prepared(message).astype(np.float64))
        assert length <= sums.norm * (1 + 1e-6)
    longest = np.linalg.norm(sums.prepared(outside).astype(np.float64))
    assert longest == pytest.approx(sums.norm, rel=1e-6)
    found = []
    for _ in range(300):
        total = sum(sums.integers(sums.prepared(one), rng) for one in messages) % (1 << sums.bits)
        found.append(sums.count(float(sums.mean(total, 40)[-1])))
    assert np.mean(found) == pytest.approx(10, abs=4 * deviation / 300**0.5)
    assert np.std(found) == pytest.approx(deviation, rel=0.2)


def test_a_clip_that_is_led_resumes_bit_for_bit(make_run, tmp_path):
    whole, cut = (run_of(make_run, 6, privacy=dp(**ADAPTIVE)) for _ in range(2))
    whole.go(3), cut.go(1)
    cut.state.save(tmp_path / "state.pt", {})
    state, _ = State.load(tmp_path / "state.pt")
    rest = Rehearsal(run_of(make_run, 6, privacy=dp(**ADAPTIVE)).fed, state).go(2)
    assert torch.equal(rest.state.model, whole.state.model)
    assert cut.crossed + rest.crossed == whole.crossed
