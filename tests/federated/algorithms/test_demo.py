"""DeMo: the paper's algebra by hand, its end as signSGD, and the links that it needs."""

import pytest
import torch

from fedbytes.compression.numerics.dct import dct
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.protocol.link import make_link
from fedbytes.streams import stream

UPLINK = {
    "name": "chain",
    "transforms": [{"name": "dct", "chunk": 64}],
    "codec": {"name": "chunked_topk", "chunk": 64, "k": 8, "bits": 32},
}
MEMORY = {"error_feedback": True, "decay": 0.9}
FIELDS = {"learning_rate": 0.01, "batch_size": 16}


def _make(make_run, uplink, clients=3, fields=FIELDS, **rest):
    algorithm = make_algorithm("demo", **fields)
    return make_run(clients, algorithm=algorithm, uplink=make_link(uplink), **rest)


def _gradient(run, round_, client, held):
    rng = stream(run.fed.seed, "batches", round_, client)
    model = run.fed.model
    model.set_state(held)
    model.flat.grad.zero_()
    model.loss(next(model.batches(run.fed.parts[client], 16, rng))).backward()
    return model.flat.grad.clone()


def test_momentum_is_what_was_sent_and_what_is_kept(make_run):
    # Algorithm 1 of arXiv 2411.19870, with the momentum's descent direction as its sign.
    run, hand = _make(make_run, UPLINK | MEMORY), make_run(3)
    codec, numel = make_link(UPLINK).codec, run.fed.layout.numel
    kept = [torch.zeros(numel)] * 3
    momentum, sent_so_far = [torch.zeros(numel)] * 3, [torch.zeros(numel)] * 3
    for round_ in range(1, 6):
        before, sent = run.state.model, []
        run.go(1)
        for client in range(3):
            gradient = _gradient(hand, round_, client, before)
            kept[client] = 0.9 * kept[client] - gradient
            momentum[client] = 0.9 * momentum[client] - gradient
            shared = hand.fed.shared_up(hand.fed.context(round_).for_client(client), None)
            sent.append(codec.decode(codec.encode(kept[client], shared), shared))
            kept[client] = kept[client] - sent[-1]
            sent_so_far[client] = 0.9 * sent_so_far[client] + sent[-1]
            torch.testing.assert_close(kept[client] + sent_so_far[client], momentum[client])
            ours = run.clients[client].state.senders[""]["residual"]
            torch.testing.assert_close(ours, kept[client], rtol=1e-4, atol=1e-6)
        # Signs of sums near zero may be others in another order of adding.
        mean, moved = torch.stack(sent).mean(0), (run.state.model - before).sign()
        clear = mean.abs() > 1e-5
        assert torch.equal(moved[clear], mean.sign()[clear])
        assert clear.float().mean() > 0.9


def test_what_is_sent_are_the_largest_coefficients_of_the_momentum(make_run):
    run = _make(make_run, UPLINK | MEMORY, 1)
    start = run.state.model.clone()
    run.go(1)
    gradient, kept = -_gradient(run, 1, 0, start), run.clients[0].state.senders[""]["residual"]
    whole, rest = (
        torch.from_numpy(dct(v[:896].numpy(), 64)).view(-1, 64) for v in (gradient, kept)
    )
    largest = whole.abs().topk(8).indices
    assert rest.gather(1, largest).abs().max() < 1e-6
    torch.testing.assert_close(rest.scatter(1, largest, 0.0), whole.scatter(1, largest, 0.0))


def test_where_everything_is_sent_it_is_signsgd(make_run):
    run = _make(make_run, {"name": "fp32", "error_feedback": True, "decay": 0.9}, 3)
    hand, held = make_run(3), run.state.model.clone()
    for round_ in range(1, 5):
        mean = torch.stack([_gradient(hand, round_, client, held) for client in range(3)]).mean(0)
        held = held - 0.01 * mean.sign()
        run.go(1)
        torch.testing.assert_close(run.state.model, held)


def test_a_downlink_of_one_bit_moves_alike(make_run):
    # Signs survive it, but for coordinates of exactly zero, which there are none of here.
    runs = [
        _make(make_run, UPLINK | MEMORY, downlink=make_link(down)).go(5)
        for down in ("fp32", "sign")
    ]
    torch.testing.assert_close(runs[0].state.model, runs[1].state.model)
    last = [e for e in runs[1].ledger.entries if e.kind == "update"]
    assert max(e.payload_bytes for e in last) < runs[1].fed.layout.numel / 8 + 16


def test_weights_decay_and_steps_warm_up(make_run):
    fields = FIELDS | {"weight_decay": 0.5, "warmup_steps": 1}
    run = _make(make_run, UPLINK | MEMORY, fields=fields)
    held = torch.full((run.fed.layout.numel,), 2.0)
    update = torch.tensor([3.0, -1e-9, 0.0]).repeat(run.fed.layout.numel // 3)
    algorithm = run.fed.algorithm
    first, second = (algorithm.apply(run.fed.context(r), held, update) for r in (1, 2))
    torch.testing.assert_close(first[:3], 2 * (1 - 0.0025) + 0.005 * torch.tensor([1.0, -1, 0]))
    torch.testing.assert_close(second[:3], 2 * (1 - 0.005) + 0.01 * torch.tensor([1.0, -1, 0]))


def test_it_learns_from_an_eighth_of_the_coefficients(make_run):
    run = _make(make_run, UPLINK | MEMORY, fields={"learning_rate": 0.03, "batch_size": 16})
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(40)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > before + 0.3


@pytest.mark.parametrize(
    ("uplink", "downlink", "message"),
    [
        (UPLINK, "fp32", "set uplink.error_feedback=true and uplink.decay=0.99"),
        (UPLINK | {"error_feedback": "ef21"}, "fp32", "set uplink.error_feedback=true"),
        (UPLINK | MEMORY | {"momentum": 0.5}, "fp32", "set uplink.momentum=0"),
        (
            UPLINK | MEMORY,
            {"name": "sign", "error_feedback": True},
            "set downlink.error_feedback=false",
        ),
    ],
    ids=str,
)
def test_memories_that_it_cannot_work_with_are_refused(make_run, uplink, downlink, message):
    with pytest.raises(ValueError, match=message) as error:
        _make(make_run, uplink, downlink=make_link(downlink))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("learning_rate", 0.0), ("batch_size", 0), ("weight_decay", -1.0), ("max_grad_norm", 0.0)],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        make_algorithm("demo", **{field: value})
