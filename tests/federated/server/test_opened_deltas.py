"""The server opens, previews and remembers deltas, and its update is what clients decode."""

import pytest
import torch

from fedbytes.compression.frame import Frame
from fedbytes.federated.clock import Clock
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import frame_vector
from fedbytes.federated.server.broadcast import broadcast_update
from fedbytes.federated.server.opened_deltas import absent_uploads, open_delta, preview_delta
from fedbytes.federated.state import initial_state


def parts_of(run):
    return run.fed, initial_state(run.fed).server, run.fed.context(1)


def framed(fed, shared, x):
    codec = fed.uplink.codec
    return Frame.unpack(frame_vector("delta", codec, shared, codec.encode(x, shared)).pack())


def test_an_update_is_what_its_payload_decodes_to_and_the_rest_is_kept(make_run):
    fed, state, context = parts_of(
        make_run(downlink=make_link({"name": "topk", "density": 0.1, "error_feedback": True}))
    )
    update = torch.linspace(-1, 1, fed.layout.numel)
    sent = broadcast_update(fed, state, context, update, Clock())
    shared = fed.shared_down(context, None)
    assert torch.equal(sent, fed.downlink.codec.decode(state.updates[-1], shared))
    assert torch.equal(state.reference, sent)
    assert 0 < int((sent != 0).sum()) < fed.layout.numel / 5
    (residual,) = (kept["residual"] for kept in state.senders.values())
    torch.testing.assert_close(residual + sent, update)
    assert state.encode_seconds > 0


def test_differences_add_up_and_a_preview_changes_nothing(make_run):
    link = make_link({"name": "fp32", "error_feedback": "ef21"})
    fed, state, context = parts_of(make_run(uplink=link))
    shared = fed.shared_up(context.for_client(1), None)
    first, second = torch.full((2, shared.layout.numel), 0.5)
    for number, sent in enumerate((first, second), 1):
        foretold = preview_delta(fed, state, shared, number * 0.5 * torch.ones_like(sent))
        assert (1 in state.estimates) == (number > 1)
        opened = open_delta(fed, state, shared, framed(fed, shared, sent), Clock())
        assert torch.equal(opened, foretold)
        assert torch.equal(opened, number * 0.5 * torch.ones_like(sent))


def test_what_is_not_finite_is_refused_where_clients_may_be_hostile(make_run):
    link = make_link({"name": "fp32", "error_feedback": "ef21"})
    for plugins in ({}, {"attack": ["garbage"]}):
        fed, state, context = parts_of(make_run(uplink=link, plugins=make_plugins(**plugins)))
        shared = fed.shared_up(context.for_client(1), None)
        frame = framed(fed, shared, torch.full((shared.layout.numel,), 3e38))  # twice is too much
        assert torch.isfinite(open_delta(fed, state, shared, frame, Clock())).all()
        if plugins:
            with pytest.raises(ValueError, match="round 1, client 1: a delta that is not finite"):
                open_delta(fed, state, shared, frame, Clock())
            assert torch.isfinite(state.estimate(1)[fed.memory_key(shared.layout)]).all()
        else:
            assert torch.isinf(open_delta(fed, state, shared, frame, Clock())).all()


@pytest.mark.parametrize("feedback", ["ef21", "ef21-pp"])
def test_those_who_sent_nothing_count_by_their_last_estimate(make_run, feedback):
    link = make_link({"name": "fp32", "error_feedback": feedback})
    fed, state, context = parts_of(make_run(uplink=link, clients_per_round=2))
    here, absent = 0, 3
    assert absent not in context.clients
    state.estimates[absent] = {fed.memory_key(fed.layout): torch.ones(fed.layout.numel)}
    state.reported[absent] = 9
    found = absent_uploads(fed, state, context, [Upload(here, torch.zeros(1), 5)])
    if feedback == "ef21":
        assert found == []
        return
    assert [(upload.client, upload.examples) for upload in found] == [(absent, 9)]
    assert torch.equal(found[0].delta, torch.ones(fed.layout.numel))
    assert state.reported == {here: 5, absent: 9}
