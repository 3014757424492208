"""What federation is compared with: each client alone, and all texts in one place."""

import numpy as np
import pytest
import torch
from quadratic import quadratic_run

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.layout import Layout, Shared
from fedbytes.federated import Hooks, make_algorithm, make_plugins
from fedbytes.federated.protocol.messages import frame_texts, open_texts

SGD = {"optimizer": "sgd", "learning_rate": 0.05, "local_steps": 3}


def halve(delta, context):
    return delta / 2


def own_models(run):
    context = run.fed.context(1)
    return [
        run.fed.algorithm.own(
            context.for_client(c), run.state.model, part, run.state.clients[c].memory, None
        )
        for c, part in enumerate(run.fed.parts)
    ]


def test_alone_each_client_descends_to_its_own_optimum_and_sends_nothing():
    curvatures, rounds = [1.0, 2.0, 3.0], 5
    run = quadratic_run(make_algorithm("local", **SGD), [2, 3, 4], curvatures, rounds=rounds)
    for own, a, part in zip(own_models(run), curvatures, run.fed.parts, strict=True):
        left = (1 - 0.05 * a) ** (3 * rounds)  # of the way, by so many steps of gradient descent
        torch.testing.assert_close(own, (1 - left) * run.fed.model.b[part[0]])
    assert run.crossed == []
    assert (run.ledger.total, run.ledger.entries) == (0, [])
    assert not run.state.model.any()  # nothing that all share


def test_alone_a_client_takes_fedavgs_batches():
    fields = {"clients_per_round": 1, "rounds": 1}
    sizes, curvatures = [20, 20], [1.0, 2.0]
    steps = SGD | {"batch_size": 4}
    alone = quadratic_run(make_algorithm("local", **steps), sizes, curvatures, **fields)
    plain = quadratic_run(make_algorithm("fedavg", **steps), sizes, curvatures, **fields)
    (client,) = alone.state.clients.keys() & plain.state.clients.keys()
    assert torch.equal(alone.state.clients[client].memory["own"], plain.state.model)


def texts(client: int) -> list[tuple[str, str]]:
    return [(f"client {client}: Grüße {i}", "a label") for i in range(client + 1)]


def test_in_one_place_texts_are_sent_once_and_the_common_optimum_is_found():
    algorithm = make_algorithm("centralised", **SGD | {"local_steps": 60, "batch_size": 6})
    run = quadratic_run(algorithm, [1, 2, 3], [1.0, 2.0, 3.0], texts=texts, rounds=3)
    common = run.fed.model.optimum(np.ones(6))
    torch.testing.assert_close(run.state.model, common, atol=1e-3, rtol=1e-3)
    rows = run.ledger.entries
    assert [(r.round, r.client, r.direction, r.kind) for r in rows] == [
        (1, client, "up", "texts") for client in range(3)
    ]
    for client, row in enumerate(rows):
        strings = [part.encode() for example in texts(client) for part in example]
        assert row.payload_bytes == 9 + sum(4 + len(raw) for raw in strings)
        assert row.message_bytes == row.payload_bytes + HEADER_BYTES
    assert run.ledger.down_bytes == 0


def test_in_one_place_the_optimiser_goes_on_from_round_to_round():
    fields = {"optimizer": "adamw", "learning_rate": 0.05, "batch_size": 6}
    once = make_algorithm("centralised", local_steps=8, **fields)
    often = make_algorithm("centralised", local_steps=4, **fields)
    long, short = (
        quadratic_run(one, [1, 2, 3], [1.0, 2.0, 3.0], texts=texts, rounds=rounds)
        for one, rounds in ((once, 1), (often, 2))
    )
    torch.testing.assert_close(long.state.model, short.state.model, atol=1e-6, rtol=1e-5)


def test_texts_of_any_kind_arrive_as_they_were_and_damage_is_found():
    shared = Shared(Layout({"x": (1,)}), round=2, sender=1)
    given = [("", "leer"), ("日本語\x00", "b"), ("half \ud800", "c")]
    frame = frame_texts(given, shared)
    packed = Frame.unpack(frame.pack(), round=2, sender=1)
    assert open_texts(packed) == given
    assert open_texts(frame_texts([], shared)) == []
    for payload in (frame.payload[:-1], frame.payload + b"x", b"", frame.payload[:11]):
        cut = Frame(frame.kind, 0, frame.layout_digest, 2, 1, payload)
        with pytest.raises(ValueError, match="cut or altered"):
            open_texts(cut)


@pytest.mark.parametrize("name", ["local", "centralised"])
def test_what_would_act_on_updates_is_refused(name):
    algorithm = make_algorithm(name, **SGD)
    plugins = make_plugins(defense="median")
    with pytest.raises(ValueError, match="'median' has nothing to act on"):
        quadratic_run(algorithm, [1, 1], [1.0, 2.0], texts=texts, plugins=plugins)
    with pytest.raises(ValueError, match="sends no updates for hooks"):
        quadratic_run(
            algorithm, [1, 1], [1.0, 2.0], texts=texts, hooks=Hooks(after_client=(halve,))
        )


def test_without_texts_there_is_nothing_to_gather():
    with pytest.raises(ValueError, match=r"give Federation\(texts=…\)"):
        quadratic_run(make_algorithm("centralised", **SGD), [1, 1], [1.0, 2.0], rounds=1)
