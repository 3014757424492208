"""SparseLoCo: the paper's algorithm by hand, and the links that it cannot work with."""

import pytest
import torch

from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.protocol.link import make_link
from fedbytes.streams import stream

INNER = {"local_steps": 3, "learning_rate": 0.05}
UPLINK = {"name": "chunked_topk", "chunk": 64, "density": 0.25, "bits": 32}
MEMORY = {"error_feedback": True, "decay": 0.9}


def _make(make_run, uplink, clients=3, **fields):
    return make_run(
        clients, algorithm=make_algorithm("sparseloco", **INNER), uplink=make_link(uplink), **fields
    )


def test_it_is_the_papers_algorithm(make_run):
    # Algorithm 1 of arXiv 2508.15706, with values that are not quantised.
    run = _make(make_run, UPLINK | MEMORY)
    hand = make_run(3, algorithm=make_algorithm("diloco", **INNER))
    fed, codec = hand.fed, make_link(UPLINK).codec
    held, e, moments = run.state.model.clone(), [torch.zeros(fed.layout.numel)] * 3, [{}] * 3
    for round_ in range(1, 5):
        run.go(1)
        context, sent = fed.context(round_), []
        for client in range(3):
            rng = stream(0, "batches", round_, client)
            trained = fed.algorithm.train(
                context.for_client(client), held, fed.parts[client], moments[client], rng
            )
            moments[client] = trained.memory
            e[client] = 0.9 * e[client] + trained.delta
            shared = fed.shared_up(context.for_client(client), None)
            sent.append(codec.decode(codec.encode(e[client], shared), shared))
            e[client] = e[client] - sent[-1]
        held = held + torch.stack(sent).mean(0)
        torch.testing.assert_close(run.state.model, held, rtol=1e-5, atol=1e-6)
    kept = [run.clients[client].state.senders[""]["residual"] for client in range(3)]
    torch.testing.assert_close(torch.stack(kept), torch.stack(e), rtol=1e-4, atol=1e-6)


def test_two_bits_and_few_coordinates_learn(make_run):
    run = _make(make_run, UPLINK | MEMORY | {"bits": 2})
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(12)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > before + 0.3
    up = [e.payload_bytes for e in run.ledger.entries if e.kind == "delta"]
    assert max(up) < 4 * run.fed.layout.numel / 16


@pytest.mark.parametrize(
    ("uplink", "message"),
    [
        ("fp32", "set uplink={name: chunked_topk, error_feedback: true, decay: 0.95}"),
        (UPLINK, "set uplink={name: chunked_topk, error_feedback: true, decay: 0.95}"),
        ({"name": "int", "bits": 4, "error_feedback": True}, "set uplink={name: chunked_topk"),
        (UPLINK | {"error_feedback": "ef21"}, "set uplink.error_feedback=true"),
        (UPLINK | {"error_feedback": True, "momentum": 0.5}, "set uplink.momentum=0"),
    ],
    ids=str,
)
def test_links_that_hold_no_outer_momentum_are_refused(make_run, uplink, message):
    with pytest.raises(ValueError, match=message) as error:
        _make(make_run, uplink)
    assert "\n" not in str(error.value)


def test_the_outer_step_is_fixed():
    with pytest.raises(ValueError, match="server_optimizer must be one of sgd, got 'nesterov'"):
        make_algorithm("sparseloco", server_optimizer="nesterov", **INNER)
    with pytest.raises(ValueError, match=r"set server_momentum=0, got 0\.9"):
        make_algorithm("sparseloco", server_momentum=0.9, **INNER)
