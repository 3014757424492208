"""A server with an attack set takes any bytes: it drops, counts and goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.compression import Frame, codec_id, seal
from fedbytes.federated import make_link, make_plugins

UPLINKS = [
    "fp32",
    {"name": "topk", "density": 0.2, "error_feedback": "ef21"},
    {"name": "ecsq", "bits": 1.5},
    {"name": "thc", "bits": 4},
    {"name": "signsgd"},
    {"name": "qsgd"},
    {"name": "powersgd", "rank": 2},
    {"name": "nf4"},
]


def whole(rng, frames, run, client):
    """Bytes of any length that are no frames."""
    return [rng.bytes(int(rng.integers(200))) for _ in range(rng.integers(5))]


def flipped(rng, frames, run, client):
    """Real frames with bytes changed, cut or added."""
    made = []
    for data in frames:
        spoilt = bytearray(data)
        for _ in range(rng.integers(4)):
            spoilt[rng.integers(len(spoilt))] = rng.integers(256)
        made.append(bytes(spoilt[: rng.integers(len(spoilt) + 1)]) + rng.bytes(rng.integers(3)))
    return made


def mixed(rng, frames, run, client):
    """Real frames, some left out, some twice, in any order, of any kind."""
    chosen = [frames[place] for place in rng.integers(len(frames), size=rng.integers(5))]
    kinds = [int(rng.integers(1, 10)) for _ in chosen]
    return [
        replace(Frame.unpack(data), kind=kind).pack() if rng.integers(2) else data
        for data, kind in zip(chosen, kinds, strict=True)
    ]


def sealed(rng, frames, run, client):
    """A payload of any bytes under the right digest, in the right frame: a decoder reads it."""
    shared, codec = run.server.shared_up(client), run.fed.uplink.codec
    frame = Frame.unpack(frames[0])
    length = len(frame.payload) - 4 if rng.integers(2) else int(rng.integers(300))
    body = rng.bytes(length) if rng.integers(2) else bytes([rng.integers(256)]) * length
    if rng.integers(2):  # most of a real one
        body = bytearray(frame.payload[:-4])
        for _ in range(1 + rng.integers(8)):
            body[rng.integers(len(body))] = rng.integers(256)
    made = replace(frame, codec_id=codec_id(codec), payload=seal(codec, bytes(body), shared))
    return [made.pack(), *frames[1:]]


def claims(rng, frames, run, client):
    """Metrics with any number of examples and any loss."""
    frame = Frame.unpack(frames[-1])
    return [*frames[:-1], replace(frame, payload=rng.bytes(12)).pack()]


KINDS = [whole, flipped, mixed, sealed, claims]
ROUND = 20
"""Uploads between which the server stays in a round."""


def fuzz(make_run, uplink, uploads, seed):
    """Let a client send fuzzed messages, and return what share of them was dropped."""
    plugins = make_plugins(
        attack={"name": "sign_flip", "share": 0.6}, defense={"name": "trimmed_mean", "f": 1}
    )
    run = make_run(5, uplink=make_link(uplink), plugins=plugins)
    rng, server = np.random.default_rng(seed), run.server
    start = server.state.model.clone()
    run.go(1)
    booked = zip(run.ledger.entries, run.crossed, strict=True)
    frames = [data for entry, data in booked if (entry.client, entry.direction) == (1, "up")]
    taken = dropped = 0
    for upload in range(uploads):
        if upload % ROUND == 0:  # the first round again, to which the real messages belong
            server.state.round, server.state.model = 0, start.clone()
            for known in list(server.state.estimates):
                del server.state.estimates[known]
            server.open_round()
        server._dropped.discard(1)
        server.receive(1, KINDS[upload % len(KINDS)](rng, frames, run, 1))
        taken += 1 not in server._dropped
        dropped += 1 in server._dropped
        if upload % ROUND == ROUND - 1:
            report = server.close_round()
            assert report.train_loss is None or np.isfinite(report.train_loss)
            assert torch.isfinite(server.state.model).all()
    assert taken + dropped == uploads
    return dropped / uploads


@pytest.mark.parametrize("uplink", UPLINKS, ids=str)
def test_some_fuzzed_uploads(make_run, uplink):
    assert 0.4 < fuzz(make_run, uplink, 40, 0) < 1


@pytest.mark.slow
@pytest.mark.parametrize("uplink", UPLINKS, ids=str)
def test_a_hundred_thousand_fuzzed_uploads(make_run, uplink):
    assert 0.4 < fuzz(make_run, uplink, 12_500, 1) < 1
