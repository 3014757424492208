"""Means over who sent a coordinate, against the sum over coefficients one by one."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.numerics.dct import dct
from fedbytes.compression.transforms.dct.dct_2d import dct_squares
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.sender_mean import mean_over_senders
from fedbytes.federated.protocol.link import make_link
from fedbytes.streams import stream

LAYOUT = Layout({"w": (128, 64), "b": (64,), "v": (100, 3)})
TOPK = {"name": "chunked_topk", "chunk": 64, "k": 4, "bits": 32}
SQUARES = {"name": "dct", "chunk": 8, "square": True}
WEIGHTS = [0.5, 0.3, 0.2]


def _sent(spec):
    """Return the codec, what three clients' messages decode to, and which places each sent."""
    codec, rng, deltas, whole = make_codec(spec), stream(0, "test"), [], []
    for client in range(3):
        # Chunks of very different size: 12 powers of ten apart.
        scales = np.repeat(10.0 ** rng.uniform(-6, 6, LAYOUT.numel // 64 + 1), 64)[: LAYOUT.numel]
        x = torch.from_numpy((rng.normal(size=LAYOUT.numel) * scales).astype(np.float32))
        shared = Shared(LAYOUT, sender=client)
        deltas.append(codec.decode(codec.encode(x, shared), shared))
        inner = make_codec(spec.get("codec", spec))
        flat = Layout({"x": (LAYOUT.numel,)})
        y = x.numpy()
        if spec["name"] == "chain":
            square = spec["transforms"][0].get("square")
            y = dct_squares(y, LAYOUT, 8) if square else dct(y, 64)
        whole.append(inner.decode(inner.encode(torch.from_numpy(y), Shared(flat)), Shared(flat)))
    return codec, deltas, torch.stack(whole).double()


def uploads_of(deltas):
    counts = [round(10 * weight) for weight in WEIGHTS]
    return [Upload(client, *given) for client, given in enumerate(zip(deltas, counts, strict=True))]


def _by_hand(coefficients):
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)[:, None]
    share = (weights * (coefficients != 0)).sum(0)
    total = (weights * coefficients).sum(0)
    return torch.where(share > 0, total / share.clamp(min=1e-9), 0.0)


def test_coordinates_are_averaged_over_who_sent_them():
    codec, deltas, whole = _sent(TOPK)
    mean = mean_over_senders(uploads_of(deltas), codec, LAYOUT)
    torch.testing.assert_close(mean.double(), _by_hand(whole), rtol=1e-5, atol=0)
    assert torch.dist(mean, torch.stack(deltas).mean(0)) > 0.5 * mean.norm()


@pytest.mark.parametrize("transform", [{"name": "dct", "chunk": 64}, SQUARES], ids=str)
def test_coefficients_are_averaged_over_who_sent_them(transform):
    codec, deltas, whole = _sent({"name": "chain", "transforms": [transform], "codec": TOPK})
    mean = mean_over_senders(uploads_of(deltas), codec, LAYOUT).numpy()
    square = transform.get("square")
    found = dct_squares(mean, LAYOUT, 8) if square else dct(mean, 64)
    wanted = _by_hand(whole).numpy()
    for start in range(0, LAYOUT.numel, 64):
        ours, right = found[start : start + 64], wanted[start : start + 64]
        assert np.abs(ours - right).max() <= 2e-5 * np.abs(right).max()


def test_a_mean_over_all_is_the_usual_one_and_the_ids_hold():
    for name in ("demo", "sparseloco"):
        fields = {} if name == "demo" else {"local_steps": 1}
        algorithm = make_algorithm(name, **fields)
        assert algorithm.mean_over == "all"
        assert not algorithm.needs_each
        assert make_algorithm(name, mean_over="senders", **fields).needs_each


def test_sparseloco_moves_by_the_mean_over_senders(make_run):
    uplink = make_link(TOPK | {"error_feedback": True, "decay": 0.9})
    fields = {"local_steps": 3, "learning_rate": 0.05, "mean_over": "senders"}
    ended = [
        make_run(3, algorithm=make_algorithm("sparseloco", **f), uplink=uplink).go(1).state.model
        for f in (fields, fields | {"mean_over": "all"})
    ]
    start = make_run(3).state.model
    by_senders, by_all = (end - start for end in ended)
    ratio = (by_senders / by_all)[by_all != 0]
    assert torch.equal(by_senders != 0, by_all != 0)
    assert ratio.min() > 0.99  # of those who sent: as much or more
    assert ratio.max() > 2.5  # one of three clients alone


def test_demo_moves_by_the_signs_of_the_mean_over_senders(make_run):
    chain = {"name": "chain", "transforms": [{"name": "dct", "chunk": 64}], "codec": TOPK}
    uplink = make_link(chain | {"error_feedback": True, "decay": 0.9})
    moves = []
    for over in ("all", "senders"):
        algorithm = make_algorithm("demo", learning_rate=0.01, mean_over=over)
        run = make_run(3, algorithm=algorithm, uplink=uplink)
        start = run.state.model.clone()
        moves.append(((run.go(1).state.model - start) / 0.01).round())
    assert (moves[0] != moves[1]).any()
    assert (moves[0] == moves[1]).float().mean() > 0.5


def test_what_a_message_shows_of_who_sent():
    chain = {"name": "chain", "transforms": [{"name": "dct", "chunk": 64}], "codec": TOPK}
    rotated = chain | {"transforms": ["rotate"]}
    kinds = (TOPK, chain, rotated, {"name": "fp32"}, chain | {"codec": "bf16"})
    assert [make_codec(kind).shows_sent for kind in kinds] == [True, True, False, False, False]


def test_an_uplink_that_shows_no_senders_is_refused(make_run):
    uplink = make_link({"name": "fp32", "error_feedback": True, "decay": 0.9})
    with pytest.raises(ValueError, match=r"mean_over=senders needs messages.*mean_over=all"):
        make_run(2, uplink=uplink, algorithm=make_algorithm("demo", mean_over="senders"))
