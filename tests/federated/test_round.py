"""The round: what it computes, with bytes in between or without."""

import numpy as np
import pytest
import torch

from fedbytes.compression.codec import make_codec
from fedbytes.compression.error_feedback import Memory
from fedbytes.compression.frame import Frame
from fedbytes.compression.residual_guard import DivergedError
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.client.client import Client
from fedbytes.federated.client.client_state import ClientState
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.link import Link, make_link
from fedbytes.federated.protocol.messages import KIND_IDS, frame_vector, open_metrics
from fedbytes.federated.replica import Replica
from fedbytes.federated.testing.tiny_models import TinyRegression
from fedbytes.streams import stream

LINKS = [
    "fp32",
    {"name": "bf16"},
    {"name": "int", "bits": 4},
    {"name": "topk", "density": 0.2, "error_feedback": True},
    {"name": "ecsq", "bits": 2, "error_feedback": True},
    {"name": "correlated", "bits": 1.5},
    {"name": "chunked_topk", "density": 0.1, "error_feedback": True},
    {"name": "powersgd", "rank": 2, "error_feedback": True},
]


def test_one_client_with_lossless_links_is_plain_local_training(make_run):
    run = make_run(clients=1, algorithm=make_algorithm("fedavg", local_steps=5)).go(1)
    model, state = run.fed.model, run.fed.model.draw_initial(0)
    model.set_state(state)
    optimizer = torch.optim.AdamW([model.flat], lr=2e-3, weight_decay=0.0)
    batches = model.batches(run.fed.parts[0], 16, stream(0, "batches", 1, 0))
    for _ in range(5):
        optimizer.zero_grad()
        model.loss(next(batches)).backward()
        optimizer.step()
    torch.testing.assert_close(run.state.model, model.flat.detach())


def test_the_mean_is_weighted_by_examples(make_run):
    sizes = [200, 40]
    parts = [np.arange(200), np.arange(200, 240)]
    deltas = {}

    def keep(delta, context):
        deltas[context.client] = delta
        return delta

    run = make_run(2, parts=parts, hooks=Hooks(after_client=(keep,)))
    before = run.state.model
    run.go(1)
    mean = (sizes[0] * deltas[0] + sizes[1] * deltas[1]) / sum(sizes)
    torch.testing.assert_close(run.state.model, before + mean)


@pytest.mark.parametrize("spec", LINKS, ids=str)
def test_training_learns_through_every_link(make_run, spec):
    run = make_run(4, uplink=make_link(spec), downlink=make_link(spec))
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(30)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > max(before + 0.3, 0.85)


@pytest.mark.parametrize("spec", LINKS, ids=str)
def test_same_seed_same_bits_and_another_seed_others(make_run, spec):
    def final(seed):
        link = make_link(spec)
        return make_run(4, seed=seed, uplink=link, downlink=link, clients_per_round=2).go(4)

    first, again, other = final(0), final(0), final(1)
    assert torch.equal(first.state.model, again.state.model)
    assert first.crossed == again.crossed
    assert not torch.equal(first.state.model, other.state.model)


def test_runs_that_differ_in_codec_share_clients_and_start(make_run):
    runs = [make_run(6, clients_per_round=2, uplink=make_link(spec)).go(3) for spec in LINKS]
    clients = [[e.client for e in r.ledger.entries if e.kind == "delta"] for r in runs]
    assert all(c == clients[0] for c in clients)
    assert len({tuple(clients[0][i : i + 2]) for i in range(0, 6, 2)}) > 1


def test_hooks_are_applied_in_order_and_can_drop_an_upload(make_run):
    seen = []
    hooks = Hooks(
        after_client=(lambda d, c: d * 0 + 1, lambda d, c: d * 3),
        before_aggregate=(lambda us, c: (seen.append(len(us)), us[:1])[1],),
    )
    run = make_run(3, hooks=hooks)
    before = run.state.model
    run.go(1)
    torch.testing.assert_close(run.state.model, before + 3)
    assert seen == [3]


@pytest.mark.parametrize(
    ("fields", "what"),
    [({"server_momentum": 0.9}, "velocity"), ({"server_optimizer": "adam"}, "second")],
)
def test_server_optimisers_keep_explicit_state(make_run, fields, what):
    algorithm = make_algorithm("fedavg", local_steps=2, server_learning_rate=0.1, **fields)
    run = make_run(3, algorithm=algorithm).go(2)
    assert run.state.server.optimizer[what].abs().sum() > 0


def test_a_saved_state_goes_on_bit_for_bit(make_run, tmp_path):
    link = make_link({"name": "topk", "density": 0.1, "error_feedback": True})
    fields = {"uplink": link, "downlink": link, "clients_per_round": 2}
    fields["algorithm"] = make_algorithm("fedavg", local_steps=2, server_momentum=0.5)
    whole = make_run(5, **fields).go(6)
    cut = make_run(5, **fields).go(3)
    cut.state.save(tmp_path / "state.pt", {"note": 7})
    loaded, extra = type(cut.state).load(tmp_path / "state.pt")
    assert extra == {"note": 7}
    cut.state = loaded
    cut.go(3)
    assert torch.equal(whole.state.model, cut.state.model)
    assert whole.crossed == cut.crossed


def test_each_seed_samples_clients_of_its_own_and_all_alike(make_run):
    def sampled(seed, rounds=8):
        fed = make_run(8, clients_per_round=3, seed=seed).fed
        return [fed.context(round_).clients for round_ in range(1, rounds + 1)]

    drawn = [tuple(sampled(seed)) for seed in range(4)]
    assert len(set(drawn)) == 4
    assert tuple(sampled(0)) == drawn[0]
    counts = np.bincount(np.concatenate(sampled(0, 400)), minlength=8)
    assert counts.sum() == 1200
    assert np.abs(counts - 150).max() < 40  # four standard deviations


class Watched(TinyRegression):
    """Keeps the batches that it was trained on."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def loss(self, batch):
        self.seen.append(tuple(batch.tolist()))
        return super().loss(batch)


def test_every_round_client_and_seed_has_batches_of_its_own(make_run):
    def seen(seed):
        run = make_run(2, model=Watched(), parts=[np.arange(120)] * 2, seed=seed)
        return run.go(3).fed.model.seen

    first, again, other = seen(0), seen(0), seen(1)
    assert first == again
    assert len(first) == 2 * 3 * 3
    assert len({*first, *other}) == 2 * len(first)


def test_an_epoch_sees_every_example_once_and_the_loss_is_the_mean_of_its_steps(make_run):
    parts = [np.arange(40), np.arange(40, 74)]
    algorithm = make_algorithm("fedavg", local_epochs=2, batch_size=16, learning_rate=1e-9)
    run = make_run(2, model=Watched(), parts=parts, algorithm=algorithm)
    report = run.run_round()
    seen = run.fed.model.seen
    assert [len(batch) for batch in seen] == [16, 16, 8] * 2 + [16, 16, 2] * 2
    examples = np.concatenate([list(batch) for batch in seen])
    assert np.bincount(examples).tolist() == [2] * 74
    run.fed.model.set_state(run.state.model)
    losses = [float(TinyRegression.loss(run.fed.model, torch.tensor(batch))) for batch in seen]
    means = [np.mean(losses[:6]), np.mean(losses[6:])]
    assert report.train_loss == pytest.approx(np.average(means, weights=[40, 34]), rel=1e-4)


@pytest.mark.parametrize("most", [0.05, 0.5])
def test_gradients_are_clipped_to_the_norm_that_is_given(make_run, most):
    fields = {"local_steps": 1, "optimizer": "sgd", "learning_rate": 1.0}
    algorithm = make_algorithm("fedavg", max_grad_norm=most, **fields)
    run = make_run(1, algorithm=algorithm)
    before = run.state.model
    run.go(1)
    assert float((run.state.model - before).norm()) == pytest.approx(most, rel=1e-4)


def test_the_training_loss_is_the_mean_over_examples(make_run):
    parts = [np.arange(200), np.arange(200, 230), np.arange(230, 240)]
    run = make_run(3, parts=parts, algorithm=make_algorithm("fedavg", local_steps=1))
    report = run.run_round()
    frames = [Frame.unpack(data) for data in run.crossed]
    told = [open_metrics(frame) for frame in frames if frame.kind == KIND_IDS["metrics"]]
    assert [examples for examples, _ in told] == [200, 30, 10]
    expected = sum(examples * loss for examples, loss in told) / 240
    assert report.train_loss == pytest.approx(expected, rel=1e-6)
    assert abs(report.train_loss - np.mean([loss for _, loss in told])) > 1e-3


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "int", "bits": 2, "rounding": "stochastic"},
        {"name": "ecsq", "bits": 1.0, "rounding": "dither"},
        {"name": "qsgd"},
        {"name": "terngrad"},
        {"name": "natural"},
        {"name": "fixed", "clip": 4.0, "bits": 3},
        {"name": "randk", "density": 0.25, "bits": 32, "scale": True},
        {"name": "chain", "transforms": [{"name": "draw", "density": 0.25}], "codec": "fp32"},
        {"name": "eden", "bits": 1},
    ],
    ids=lambda spec: spec["name"],
)
def test_clients_draw_noise_of_their_own_so_that_a_mean_averages_it_out(make_run, spec):
    sent = torch.from_numpy(stream(0, "test noise").normal(size=903).astype(np.float32))
    errors = []

    def keep(uploads, context):
        errors.append(torch.stack([upload.delta - sent for upload in uploads]))
        return uploads

    hooks = Hooks(after_client=(lambda delta, context: sent.clone(),), before_aggregate=(keep,))
    make_run(12, uplink=make_link(spec), hooks=hooks).go(2)
    for found in errors:
        alone = found.norm(dim=1).square().mean()
        assert found.mean(0).norm().square() < 0.2 * alone  # 1/12 where they are independent
    assert not torch.equal(errors[0], errors[1])


def _rounds_until_divergence(make_run, tmp_path, **links):
    """Run until a residual diverges, each round from a checkpoint; return its number."""
    run = make_run(2, **links)
    for round_ in range(40):
        run.state.save(tmp_path / "state.pt", {})
        run.state, _ = type(run.state).load(tmp_path / "state.pt")
        try:
            run.go(1)
        except DivergedError:
            return round_
    return None


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
def test_a_diverging_residual_is_noticed_across_checkpoints(
    make_run, monkeypatch, tmp_path, direction
):
    codec = make_codec("bf16")
    real = type(codec)._decode
    monkeypatch.setattr(type(codec), "_decode", lambda self, d, s: -3 * real(self, d, s))
    link = {direction: Link(codec, Memory("ef14"))}
    with pytest.raises(DivergedError):
        (whole := make_run(2, **link)).go(40)
    assert _rounds_until_divergence(make_run, tmp_path, **link) == whole.state.round > 3


def test_a_client_without_the_replica_of_its_state_says_so(make_run):
    run = make_run(2)
    fed, state = run.fed, ClientState(version=3)
    context = fed.context(4)
    payload = fed.downlink.codec.encode(run.state.model, fed.shared_down(context, None))
    update = frame_vector("update", fed.downlink.codec, fed.shared_down(context, None), payload)
    for replica in (Replica(), Replica(1, run.state.model)):
        with pytest.raises(
            ValueError, match=r"version 3 and its replica version -?1: restore both"
        ):
            Client(fed, 0, state, replica).receive([update.pack()])


def test_error_feedback_that_diverges_is_noticed(make_run, monkeypatch):
    # Half the model's step, sent as its opposite: no contraction, whatever the codec claims.
    codec = make_codec("fp32")
    real = type(codec)._decode
    monkeypatch.setattr(type(codec), "_decode", lambda self, d, s: -3 * real(self, d, s))
    run = make_run(2, downlink=Link(codec, Memory("ef14")))
    with pytest.raises(DivergedError, match="error feedback diverges"):
        run.go(60)


def test_a_delta_that_is_not_finite_is_an_error_that_says_so(make_run):
    run = make_run(2, hooks=Hooks(after_client=(lambda d, c: d / 0,)))
    with pytest.raises(ValueError, match="NaN"):
        run.go(1)


@pytest.mark.parametrize("count", [0, 5])
def test_more_clients_than_hold_examples_are_refused(make_run, count):
    with pytest.raises(ValueError, match=f"clients_per_round .* got {count}"):
        make_run(4, clients_per_round=count)


def test_clients_without_examples_are_never_sampled(make_run):
    parts = [np.arange(10), np.empty(0, np.int64), np.arange(10, 30)]
    run = make_run(3, parts=parts, clients_per_round=2).go(3)
    assert {e.client for e in run.ledger.entries} == {0, 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either local_steps or local_epochs"),
        ({"local_steps": 1, "local_epochs": 1}, "either local_steps or local_epochs"),
        ({"local_steps": 0}, "local_steps must be at least 1, got 0"),
        ({"local_steps": 1, "learning_rate": -1.0}, "learning_rate must be above 0, got -1.0"),
        ({"local_steps": 1, "momentum": 1.0}, "momentum"),
        ({"local_stps": 1}, "did you mean 'local_steps'"),
    ],
)
def test_fedavg_refuses_what_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        make_algorithm("fedavg", **fields)
