"""Secure aggregation: exact sums whoever vanishes, and a server that sees nothing else."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.summable import as_summable
from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.aggregations.masked_sum import payloads
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.client.client import Client
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import KIND_IDS
from fedbytes.federated.testing.strict_client import replay
from fedbytes.federated.testing.tiny_models import TinyRegression
from fedbytes.privacy.secure_sum.neighbours import draw_neighbours, hang_together
from fedbytes.privacy.secure_sum.sharing import join_shares

FIXED = {"name": "fixed", "clip": 2.0, "bits": 16}
THC = {"name": "thc", "unit": 0.0625, "granularity": 15}
SKETCH = {"name": "sketch", "columns": 300, "rows": 2, "values": FIXED}
STAGES = ["before-keys", "after-shares", "after-masked"]


def masked(make_run, clients=6, uplink=FIXED, fields=None, **others):
    plugins = make_plugins(privacy={"name": "secagg", **(fields or {})})
    return make_run(clients, uplink=make_link(uplink), plugins=plugins, **others)


def summed(make_run, clients=6, uplink=FIXED, weights="uniform", **others):
    aggregation = make_aggregation("sum_then_decode", weights=weights)
    return make_run(clients, uplink=make_link(uplink), aggregation=aggregation, **others)


@pytest.mark.parametrize("uplink", [FIXED, THC, SKETCH], ids=lambda spec: spec["name"])
@pytest.mark.parametrize("neighbours", ["all", 4])
def test_the_unmasked_sum_is_the_sum_bit_for_bit(make_run, uplink, neighbours):
    fields = {"weights": "uniform", "neighbours": neighbours}
    run, open_ = masked(make_run, 7, uplink, fields), summed(make_run, 7, uplink)
    assert torch.equal(run.go(3).state.model, open_.go(3).state.model)


def test_weights_by_examples_are_those_of_the_plain_mean(make_run):
    parts = [np.arange(c * c, (c + 1) * (c + 1)) for c in range(6)]
    fine = {"name": "fixed", "clip": 4.0, "bits": 24}
    run, plain = masked(make_run, uplink=fine, parts=parts), make_run(6, parts=parts)
    mine, theirs = run.run_round(), plain.run_round()
    torch.testing.assert_close(run.state.model, plain.state.model, atol=3e-6, rtol=0)
    assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("neighbours", ["all", 4])
def test_whoever_vanishes_the_sum_is_that_of_those_whose_vector_came(make_run, stage, neighbours):
    """Each vector is also recorded at its sender: what is unmasked is their sum, exactly."""
    fields = {"dropout": 0.25, "vanish": stage, "neighbours": neighbours, "threshold": 0.51}
    run = masked(make_run, 9, fields=fields | {"weights": "uniform"})
    seen, gone = {}, 0
    for client in range(9):
        party = run.clients[client]
        party.integers = lambda *given, of=party, make=party.integers: seen.setdefault(
            of.number, make(*given)
        )
    for _ in range(6):
        seen.clear()
        before, report = run.state.model, run.run_round()
        gone += report.outcome["vanished_clients"]
        if report.outcome["aborted"]:
            assert torch.equal(run.state.model, before)
            continue
        assert (
            report.outcome["summed_clients"] == len(seen) == 9 - report.outcome["vanished_clients"]
        )
        sums, shared = run.server.sums, run.server.shared_up(0)
        total = np.add.reduce(list(seen.values()))
        mean = sums.recover(sums.image(total, len(seen), shared), shared)
        assert torch.equal(run.state.model - before, before + torch.from_numpy(mean) - before)
    assert gone or stage == "after-masked"


@pytest.mark.parametrize("uplink", [FIXED | {"clip": 1e-6}, THC | {"unit": 1e-6}], ids=str)
def test_an_agreed_range_fits_what_the_known_one_would_clip(make_run, uplink):
    """The codec's own range is far too small; the agreed one is a power of two above all."""
    run = masked(make_run, 5, uplink=uplink, fields={"span": "agreed", "weights": "uniform"})
    start, plain = run.state.model, make_run(5).go(1)
    run.go(1)
    moved, should = run.state.model - start, plain.state.model - start
    fine = 2e-3 if uplink["name"] == "fixed" else 0.4
    assert float((moved - should).norm() / should.norm()) < fine
    assert len(frames_of(run, "public-key")[0].payload) == payloads.PUBLIC_BYTES == 66


def test_an_agreed_range_is_of_what_momentum_makes(make_run):
    """At 0.9 what is encoded grows to many times a delta, whose own range would clip it."""
    uplink = FIXED | {"clip": 1e-6, "momentum": 0.9}
    run = masked(make_run, 4, uplink, {"span": "agreed", "weights": "uniform"})
    start, plain = run.state.model, make_run(4, uplink=make_link({"name": "fp32", "momentum": 0.9}))
    run.go(6)
    plain.go(6)
    moved, should = run.state.model - start, plain.state.model - start
    assert float((moved - should).norm() / should.norm()) < 0.01


def test_control_variates_of_who_vanishes_stay_those_that_arrived(make_run):
    """The server's c is the mean of the clients' c_i, also behind rounds that were given up."""
    steps = {"local_steps": 3, "learning_rate": 0.05}
    fine = {"name": "fixed", "clip": 64.0, "bits": 24}
    run = masked(
        make_run,
        5,
        fine,
        {"dropout": 0.3, "weights": "examples"},
        algorithm=make_algorithm("scaffold", **steps),
        parts=[np.arange(0, 9), np.arange(9, 30), *np.array_split(np.arange(30, 60), 3)],
    )
    outcomes = [run.run_round().outcome for _ in range(8)]
    assert {one["aborted"] for one in outcomes} == {0, 1}
    assert any(one["vanished_clients"] and not one["aborted"] for one in outcomes)
    shares = torch.tensor([len(part) for part in run.fed.parts]) / 60
    own = [run.state.clients[c].memory.get("control") for c in range(5)]
    control = run.state.model[len(run.state.model) // 2 :]
    mean = sum(share * one for share, one in zip(shares, own, strict=True) if one is not None)
    torch.testing.assert_close(control, mean, atol=1e-4, rtol=0)


def test_a_codec_without_a_range_has_none_to_agree_on(make_run):
    with pytest.raises(ValueError, match="codec 'signsgd' has none: leave out its span"):
        masked(make_run, uplink="signsgd", fields={"span": "agreed"})


def test_below_the_threshold_a_round_is_given_up_and_the_run_goes_on(make_run):
    run = masked(make_run, 6, fields={"dropout": 0.6, "vanish": "after-shares"})
    reports = [run.run_round() for _ in range(6)]
    given_up = [report for report in reports if report.outcome["aborted"]]
    assert given_up
    assert all(report.outcome["summed_clients"] == 0 for report in given_up)
    assert all(report.train_loss is None for report in given_up)
    assert run.ledger.total == sum(map(len, run.crossed))
    assert {e.round for e in run.ledger.entries} == set(range(1, 7))


def test_of_three_clients_the_sum_of_two_is_not_opened(make_run):
    """Two would each have the other's vector, however low the threshold."""
    run = masked(make_run, 3, fields={"dropout": 0.3, "threshold": 0.51})
    summed = [run.run_round().outcome["summed_clients"] for _ in range(8)]
    assert set(summed) == {0, 3}
    assert run.clients[0]._session.needed == 3


def vanish(run, gone):
    """Have some clients vanish after their shares, in every round."""
    make = run.fed.aggregation.client

    def session_of(sender):
        session = make(sender)
        session.vanishes = "after-shares" if sender.number in gone else "never"
        return session

    object.__setattr__(run.fed.aggregation, "client", session_of)


@pytest.mark.parametrize("whole", [True, False], ids=["together", "apart"])
def test_clients_whose_graph_falls_apart_are_not_summed(make_run, whole):
    """Four of ten vanish, each secret has its shares; where two parts are left, each has a sum."""
    run = masked(make_run, 10, fields={"neighbours": 4, "threshold": 0.51, "weights": "uniform"})
    clients = run.fed.context(1).clients
    graph = draw_neighbours(clients, 4, run.fed.context(1).stream("neighbours of the masked sum"))
    gone = next(
        gone
        for gone in map(set, combinations(clients, 4))
        if hang_together(set(clients) - gone, graph) == whole
        and all(len({one, *graph[one]} - gone) >= 3 for one in clients)
    )
    vanish(run, gone)
    before, report = run.state.model.clone(), run.run_round()
    assert report.outcome["aborted"] == (not whole)
    assert torch.equal(run.state.model, before) == (not whole)
    assert bool(run.server._session.shares) == whole  # none was asked for


def test_a_client_that_vanishes_loses_nothing_under_error_feedback(make_run):
    """What was not delivered is in the residual: delivered and kept add up to what was trained."""
    spec = FIXED | {"error_feedback": True}
    run = masked(make_run, 4, uplink=spec, fields={"dropout": 0.3, "threshold": 0.51})
    fed, sums, shared_of = run.fed, {}, run.server.shared_up
    trained, delivered = torch.zeros(4, fed.layout.numel), torch.zeros(4, fed.layout.numel)
    underway = torch.zeros(4, fed.layout.numel)
    for client in range(4):
        party = run.clients[client]

        def keep(delta, of=party, make=party.keep_back):
            trained[of.number] += delta
            return make(delta)

        def send(delta, weight=1.0, how=None, of=party, make=party.integers):
            found = sums[of.number] = make(delta, weight, how)
            shared = shared_of(of.number)
            codec = as_summable(fed.uplink.codec)
            mean = codec.mean(found, 1, shared, codec.grid(shared))
            underway[of.number] = torch.from_numpy(mean) / weight
            return found

        party.keep_back, party.integers = keep, send
    vanished = lost = 0
    for _ in range(6):
        underway.zero_()
        outcome = run.run_round().outcome
        vanished += outcome["vanished_clients"]
        lost += outcome["aborted"] and bool(underway.any())
        delivered += 0 * underway if outcome["aborted"] else underway
    assert vanished
    assert lost  # vectors were sent, and not summed
    kept = torch.stack([run.state.clients[c].senders[""]["residual"] for c in range(4)])
    torch.testing.assert_close(delivered + kept, trained, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stage", STAGES)
def test_strict_clients_follow_and_every_byte_is_booked(make_run, stage):
    fields = {"dropout": 0.2, "vanish": stage, "neighbours": 4}
    run = masked(make_run, 6, uplink=FIXED | {"error_feedback": True}, fields=fields)
    theirs = replace(run.fed, model=TinyRegression())
    replay(run, [Client(theirs, c) for c in range(6)], 4)
    assert run.ledger.total == sum(map(len, run.crossed))


def frames_of(run, kind):
    frames = [Frame.unpack(data) for data in run.crossed]
    return [frame for frame in frames if frame.kind == KIND_IDS[kind]]


def test_the_payload_is_as_long_as_the_modulus_says(make_run):
    """ceil(log2(n (levels - 1) + 1)) bits a coordinate: 10 clients of 16 levels have 8."""
    run = masked(make_run, 10, uplink=THC)
    run.go(1)
    assert run.server.sums.bits == 8
    assert {len(f.payload) for f in frames_of(run, "masked")} == {run.fed.layout.numel + 16}


def test_masked_vectors_are_uniform_and_new_in_each_round(make_run):
    """Nearly all integers are alike on so coarse a grid; what crosses is uniform all the same."""
    run = masked(make_run, 8, uplink=THC | {"bits": 2, "granularity": 3, "unit": 50.0})
    run.go(2)
    sums, shared = run.server.sums, run.server.shared_up(0)
    one, two = (
        np.concatenate([payloads.read_masked(f, sums, shared).numbers for f in found])
        for found in np.array_split(np.array(frames_of(run, "masked"), dtype=object), 2)
    )
    for numbers in (one, two, (one - two) & np.uint64((1 << sums.bits) - 1)):
        counts = np.bincount(numbers.astype(int), minlength=1 << sums.bits)
        assert chisquare(counts).pvalue > 1e-4


def test_keys_and_own_masks_are_new_for_each_client_and_round(make_run):
    run, drawn = masked(make_run, 4), []
    for _ in range(2):
        run.run_round()
        for client in range(4):
            session = run.clients[client]._session
            drawn += [session.own_seed, session.masking.secret, session.sealing.secret]
    assert len(set(drawn)) == len(drawn) == 24


def test_a_vector_whose_mask_is_left_in_opens_nothing(make_run):
    """Without one client's own mask the sum is uniform noise, not the mean."""
    run = masked(make_run, 5, fields={"weights": "uniform"})
    plain = summed(make_run, 5).go(1)
    start = run.state.model
    session_of = run.fed.aggregation.server

    def forgetful(receiver):
        session = session_of(receiver)
        unmasked = session._unmasked

        def without_one():
            total = unmasked()
            secret = join_shares(session.shares[0], session.needed)
            return total.plus(total.mask(secret))

        session._unmasked = without_one
        return session

    object.__setattr__(run.fed.aggregation, "server", forgetful)
    run.go(1)
    moved, should = run.state.model - start, plain.state.model - start
    assert float(torch.nn.functional.cosine_similarity(moved, should, dim=0).abs()) < 0.2


def test_the_server_can_open_no_upload(make_run):
    """All that the server ever held, tried on each vector: no key that it has takes a mask off."""
    run = masked(make_run, 5, fields={"weights": "uniform"})
    sent = {}
    for client in range(5):
        party = run.clients[client]
        party.integers = lambda *given, of=party, make=party.integers: sent.setdefault(
            of.number, make(*given)
        )
    run.run_round()
    session, tried = run.server._session, 0
    secrets = {
        owner: join_shares(shares, session.needed) for owner, shares in session.shares.items()
    }
    assert set(secrets) == set(range(5))  # seeds of own masks: all survived
    for client, vector in session.masked.items():
        for secret in secrets.values():
            left = vector.minus(vector.mask(secret)).numbers
            assert np.mean(left == sent[client]) < 0.2
            tried += 1
        assert np.mean(vector.numbers == sent[client]) < 0.2
    assert tried == 25


def test_the_server_never_holds_both_kinds_of_share_of_a_client(make_run):
    """Of who survived it can join the own mask's seed alone, of who vanished the mask key alone."""
    run, kinds = masked(make_run, 7, fields={"dropout": 0.2}), set()
    for _ in range(6):
        run.run_round()
        session = run.server._session
        for owner, shares in {} if session.aborted else session.shares.items():
            party = run.clients[owner]._session
            secret, survived = join_shares(shares, session.needed), owner in session.masked
            assert secret == (party.own_seed if survived else party.masking.secret)
            kinds.add(survived)
    assert kinds == {True, False}


def test_a_client_refuses_to_unmask_a_stranger_or_twice(make_run):
    run = masked(make_run, 4)
    run.go(1)
    session = run.clients[0]._session
    session.survivors = {0, 1, 2, 99}
    session.held = {0: (b"", b""), 1: (b"", b""), 2: (b"", b"")}
    with pytest.raises(ValueError, match="asked to unmask"):
        session._unmask()
    session.survivors = {0, 1}
    assert session._unmask() == []  # too few: no share is given away


def test_bytes_beside_the_vector_are_as_measured_by_the_prototype(make_run):
    """n = 10, all neighbours: at most 1,400 bytes up and 1,600 down beside vector and broadcast."""
    run = masked(make_run, 10, uplink=THC)
    run.go(1)
    kinds = {"public-key", "shares", "masked", "unmask", "keys", "survivors"}
    up = sum(e.message_bytes for e in run.ledger.entries if e.direction == "up") / 10
    down = [e for e in run.ledger.entries if e.direction == "down" and e.kind in kinds]
    assert up - run.fed.layout.numel < 1400
    assert sum(e.message_bytes for e in down) / 10 < 1600
    assert {e.kind for e in run.ledger.entries} >= kinds
    assert min(e.message_bytes for e in run.ledger.entries) > HEADER_BYTES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"clients": 2}, "privacy 'secagg' sums 2 clients a round"),
        ({"uplink": "fp32"}, "adds messages: codec 'fp32' does not add: use"),
        ({"uplink": {"name": "ecsq", "bits": 1.5}}, "codec 'ecsq' .* does not add: use thc with"),
        ({"uplink": FIXED | {"error_feedback": "ef21"}}, "ef21"),
        ({"fields": {"threshold": 0.5}}, "threshold must be in \\(0.5, 1\\], got 0.5"),
        ({"fields": {"neighbours": 3}}, "neighbours must be all, or an even number from 4, got 3"),
        ({"fields": {"neighbours": 2}}, "neighbours must be all, or an even number from 4, got 2"),
        ({"aggregation": make_aggregation("sum_then_decode")}, "leave aggregation out"),
        ({"uplink": "signsgd"}, "keeps the signs: set its weights=uniform"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_in_one_line(make_run, given, said):
    with pytest.raises(ValueError, match=said) as refused:
        masked(make_run, **given)
    assert "\n" not in str(refused.value)


def test_rules_that_need_single_uploads_are_refused(make_run):
    plugins = make_plugins(privacy="secagg", defense={"name": "median"})
    with pytest.raises(ValueError, match=re.escape("their sum alone")):
        make_run(6, uplink=make_link(FIXED), plugins=plugins)


def test_an_algorithm_that_needs_single_uploads_is_told_what_to_leave_out(make_run):
    algorithm = make_algorithm("majority_vote", local_steps=1)
    with pytest.raises(ValueError, match="shows the sum alone: leave privacy secagg out"):
        masked(make_run, algorithm=algorithm)


def test_attacks_on_messages_that_are_masked_are_refused(make_run):
    plugins = make_plugins(privacy="secagg", attack={"name": "malformed", "share": 0.2})
    with pytest.raises(ValueError, match="leaves none to read"):
        make_run(6, uplink=make_link(FIXED), plugins=plugins)


def test_without_the_extra_the_run_is_refused_in_one_line(make_run, monkeypatch):
    monkeypatch.setattr("fedbytes.process.optional_imports.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=re.escape("pip install 'fedbytes[secure]'")):
        masked(make_run)


@pytest.mark.parametrize(
    ("clients", "neighbours", "most"), [(10, "all", 18_500), (100, 20, 24_000)], ids=str
)
def test_bytes_up_of_a_lora_of_15_thousand_numbers(clients, neighbours, most):
    """4 bits each; the contract holds `own_bytes` against what crosses. Of fp32: 0.27 and 0.39."""
    shared = Shared(Layout({"lora": (15_369,)}))
    sums = IntegerSums(make_codec(THC), clients)
    up, down = make_aggregation("masked_sum", neighbours=neighbours).own_bytes(sums, shared)
    assert up <= most
    assert down < 4_000
    assert up / (4 * 15_369 + HEADER_BYTES) == pytest.approx(
        0.27 if clients == 10 else 0.39, abs=5e-3
    )
