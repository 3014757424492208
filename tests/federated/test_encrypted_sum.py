"""Homomorphic encryption: exact sums that the server adds and cannot read."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.client.client import Client
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.strict_client import replay
from fedbytes.federated.testing.tiny_models import TinyRegression

FIXED = {"name": "fixed", "clip": 2.0, "bits": 16}
THC = {"name": "thc", "unit": 0.0625, "granularity": 15}


def encrypted(make_run, clients=4, uplink=FIXED, fields=None, defense=None, **others):
    plugins = make_plugins(privacy={"name": "he", **(fields or {})}, defense=defense)
    return make_run(clients, uplink=make_link(uplink), plugins=plugins, **others)


@pytest.mark.parametrize("uplink", [FIXED, THC, FIXED | {"error_feedback": True}], ids=str)
def test_sums_of_bfv_are_exact(make_run, uplink):
    open_ = make_aggregation("sum_then_decode", weights="uniform")
    plain = make_run(4, uplink=make_link(uplink), aggregation=open_)
    run = encrypted(make_run, uplink=uplink, fields={"weights": "uniform"})
    assert torch.equal(run.go(2).state.model, plain.go(2).state.model)


def test_weights_by_examples_are_those_of_masked_sums(make_run):
    parts = [np.arange(c * c, (c + 1) * (c + 1)) for c in range(4)]
    run = encrypted(make_run, parts=parts)
    masks = make_plugins(privacy="secagg")
    masked = make_run(4, parts=parts, uplink=make_link(FIXED), plugins=masks)
    mine, theirs = run.run_round(), masked.run_round()
    assert torch.equal(run.state.model, masked.state.model)
    assert mine.train_loss == theirs.train_loss


def test_ckks_is_the_mean_to_a_millionth(make_run):
    parts = [np.arange(c * c, (c + 1) * (c + 1)) for c in range(4)]
    run, plain = encrypted(make_run, uplink="fp32", fields={"scheme": "ckks"}, parts=parts), None
    plain = make_run(4, parts=parts)
    mine, theirs = run.run_round(), plain.run_round()
    assert float((run.state.model - plain.state.model).abs().max()) < 1e-6
    assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-6)


def test_share_0_is_the_plain_run_bit_for_bit(make_run):
    run = encrypted(make_run, fields={"share": 0.0}).go(2)
    plain = make_run(4, uplink=make_link(FIXED)).go(2)
    assert run.crossed == plain.crossed
    assert torch.equal(run.state.model, plain.state.model)


def test_a_share_is_encrypted_and_the_sum_stays_exact(make_run):
    whole = encrypted(make_run, fields={"weights": "uniform"}).go(3)
    half = encrypted(make_run, fields={"weights": "uniform", "share": 0.5}).go(3)
    assert torch.equal(half.state.model, whole.state.model)
    parts = [e for e in half.ledger.entries if (e.kind, e.direction) == ("plain-part", "up")]
    assert {e.round for e in parts} == {2, 3}  # there is no last update in the first round
    numel = half.fed.layout.numel
    assert {e.payload_bytes for e in parts} == {4 + 2 * (numel - round(numel / 2))}


def test_strict_clients_follow_and_every_byte_is_booked(make_run):
    run = encrypted(make_run, fields={"share": 0.5})
    theirs = replace(run.fed, model=TinyRegression())
    replay(run, [Client(theirs, c) for c in range(4)], 3)
    assert run.ledger.total == sum(map(len, run.crossed))
    sent_down = {e.kind for e in run.ledger.entries if e.direction == "down" and e.round > 1}
    assert sent_down == {"keys", "key", "plain-part", "ciphertext-sum"}  # and no update


def reachable(thing, seen):
    """Yield every object that is found from one, through attributes and containers."""
    if id(thing) in seen or isinstance(thing, type):
        return
    seen[id(thing)] = thing
    yield thing
    inner = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    if isinstance(thing, dict):
        inner += [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set):
        inner += list(thing)
    for one in inner:
        yield from reachable(one, seen)


def test_the_server_has_no_secret_key_and_cannot_decrypt(make_run):
    """Nothing that the server's session reaches is a key or its seed, and its own attempt fails."""
    run = encrypted(make_run)
    run.run_round()
    session = run.server._session
    seed = run.clients[0]._session.seed
    found = list(reachable({k: v for k, v in vars(session).items() if k != "receiver"}, {}))
    assert not [x for x in found if type(x).__name__ in ("SecretKey", "Decryptor", "KeyPair")]
    assert seed not in [x for x in found if isinstance(x, bytes)]
    with pytest.raises(ValueError, match="has no key"):
        session.uploads()
    assert len(seed) == 64


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"uplink": "fp32"}, "codec 'fp32' does not add: use"),
        ({"uplink": FIXED, "fields": {"scheme": "ckks"}}, "encrypts floats as they are"),
        ({"uplink": THC, "fields": {"share": 0.5}}, "codec 'thc' mixes them"),
        ({"uplink": "fp32", "fields": {"scheme": "ckks", "share": 0.5}}, "set its scheme=bfv"),
        ({"clients_per_round": 3}, "set clients_per_round to all clients"),
        ({"downlink": make_link("bf16")}, "leave downlink out"),
        (
            {"algorithm": make_algorithm("fedadam", local_steps=2)},
            "algorithm 'fedadam' has it do more than average",
        ),
        ({"algorithm": make_algorithm("fedavgm", local_steps=2)}, "more than average"),
        ({"defense": "post_hoc"}, "which defense 'post_hoc' on the server cannot change"),
        ({"uplink": "signsgd"}, "of that uplink codec 'signsgd' keeps the signs"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_in_one_line(make_run, given, said):
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        encrypted(make_run, **given)
    assert "\n" not in str(refused.value)


def test_two_mechanisms_that_decide_are_refused(make_run):
    plugins = make_plugins(privacy=["he", "secagg"])
    with pytest.raises(ValueError, match="both decide what the server opens"):
        make_run(4, uplink=make_link(FIXED), plugins=plugins)


def test_bytes_grow_linearly_with_the_share():
    """Of a long vector; between nothing encrypted, which is the plain integers, and all."""
    shared = Shared(Layout({"x": (400_000,)}), round=2)
    sums = IntegerSums(make_codec(FIXED), 10)
    up = [
        make_aggregation("encrypted_sum", share=share).own_bytes(sums, shared)[0]
        for share in (0.25, 0.5, 0.75, 1.0)
    ]
    steps = np.diff(up)
    assert np.ptp(steps) < 2 * 31_000  # whole ciphertexts
    assert up[0] - steps.mean() == pytest.approx(2 * 400_000, rel=0.05)
