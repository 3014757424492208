"""What a sender keeps around a codec: the definitions, followed by hand."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Memory, Shared, make_codec
from fedbytes.compression.testing.sample_vectors import draw_vector

NUMEL = 400
LAYOUT = Layout({"x": (NUMEL,)})
TOPK = make_codec("topk", density=0.05, bits=32)


def _vectors(count: int) -> list[torch.Tensor]:
    generator = np.random.default_rng(0)
    return [torch.from_numpy(draw_vector("gauss", NUMEL, generator)) for _ in range(count)]


def _decoded(codec, sent, round):
    return codec.decode(sent.data, Shared(LAYOUT, round=round))


def test_momentum_alone_sends_the_velocity() -> None:
    codec, state, velocity = make_codec("fp32"), {}, torch.zeros(NUMEL)
    for round, x in enumerate(_vectors(4)):
        sent = Memory(momentum=0.9).encode(codec, x, state, Shared(LAYOUT, round=round))
        velocity, state = 0.9 * velocity + x, sent.state
        torch.testing.assert_close(_decoded(codec, sent, round), velocity)
        assert sent.residual is None


def test_deep_gradient_compression_corrects_momentum_and_masks_factors() -> None:
    # Lin et al. 2018, algorithm 1, coordinate by coordinate.
    state, u, v = {}, torch.zeros(NUMEL), torch.zeros(NUMEL)
    for round, x in enumerate(_vectors(6)):
        sent = Memory("ef14", 0.9).encode(TOPK, x, state, Shared(LAYOUT, round=round))
        u = 0.9 * u + x
        v = v + u
        kept = v.abs() >= v.abs().topk(20).values[-1]
        torch.testing.assert_close(_decoded(TOPK, sent, round), torch.where(kept, v, 0.0))
        u, v = torch.where(kept, 0.0, u), torch.where(kept, 0.0, v)
        state = sent.state
        torch.testing.assert_close(state["velocity"], u)
        torch.testing.assert_close(state["residual"], v)


def test_a_dense_codec_keeps_its_velocity() -> None:
    codec, x = make_codec("int", bits=2), _vectors(1)[0]
    sent = Memory("ef14", 0.9).encode(codec, x, {}, Shared(LAYOUT))
    assert torch.equal(sent.state["velocity"], x)
    assert (_decoded(codec, sent, 0) == 0).any()


def test_ef21_keeps_the_same_estimate_on_both_ends_and_closes_in() -> None:
    # A constant update is known to both ends in the end, whatever the codec drops of it.
    memory, x, state, received = Memory("ef21"), _vectors(1)[0], {}, None
    errors = []
    for round in range(60):
        sent = memory.encode(TOPK, x, state, Shared(LAYOUT, round=round))
        state, received = sent.state, memory.receive(_decoded(TOPK, sent, round), received)
        assert torch.equal(received, state["estimate"])
        assert torch.equal(sent.residual, x - received)
        errors.append(float(sent.residual.norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5 * float(x.norm())


def test_ef21_with_momentum_averages_the_updates_first() -> None:
    codec, state, velocity = make_codec("fp32"), {}, None
    memory, received = Memory("ef21", 0.75), None
    for round, x in enumerate(_vectors(5)):
        sent = memory.encode(codec, x, state, Shared(LAYOUT, round=round))
        velocity = x if velocity is None else 0.75 * velocity + 0.25 * x
        state, received = sent.state, memory.receive(_decoded(codec, sent, round), received)
        torch.testing.assert_close(received, velocity)


@pytest.mark.parametrize("decay", [0.5, 0.95, 1.0])
def test_a_decayed_residual_is_a_momentum_less_what_was_sent(decay: float) -> None:
    # DeMo and SparseLoCo: e = decay e + x; send the largest of e; e -= what was sent.
    memory, state, e = Memory("ef14", decay=decay), {}, torch.zeros(NUMEL)
    momentum, discounted = torch.zeros(NUMEL), torch.zeros(NUMEL)
    for round, x in enumerate(_vectors(6)):
        sent = memory.encode(TOPK, x, state, Shared(LAYOUT, round=round))
        state, decoded = sent.state, _decoded(TOPK, sent, round)
        e = decay * e + x
        kept = e.abs() >= e.abs().topk(20).values[-1]
        torch.testing.assert_close(decoded, torch.where(kept, e, 0.0))
        e = torch.where(kept, 0.0, e)
        torch.testing.assert_close(state["residual"], e)
        # Momentum = what is kept + all that was sent, each as old as it is: nothing else is lost.
        momentum, discounted = decay * momentum + x, decay * discounted + decoded
        torch.testing.assert_close(state["residual"] + discounted, momentum)


def test_a_decay_bounds_the_residual_of_a_codec_that_sends_nothing_of_it() -> None:
    state, x, memory = {}, torch.ones(NUMEL), Memory("ef14", decay=0.5)
    x[0] = 1e6
    for _ in range(30):
        state = memory.encode(make_codec("topk", density=1e-3), x, state, Shared(LAYOUT)).state
    assert float(state["residual"][1:].max()) == pytest.approx(2.0, rel=1e-3)


def test_nothing_given_is_changed() -> None:
    x, state = torch.ones(NUMEL), {"residual": torch.ones(NUMEL), "velocity": torch.ones(NUMEL)}
    Memory("ef14", 0.5).encode(TOPK, x, state, Shared(LAYOUT))
    assert torch.equal(x, torch.ones(NUMEL))
    assert all(torch.equal(t, torch.ones(NUMEL)) for t in state.values())
    assert set(state) == {"residual", "velocity"}


@pytest.mark.parametrize("momentum", [1.0, -0.1, float("nan"), float("inf")])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum must be in"):
        Memory(momentum=momentum)


@pytest.mark.parametrize("decay", [0.0, -0.1, 1.1, float("nan")])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\]"):
        Memory("ef14", decay=decay)


@pytest.mark.parametrize("feedback", ["none", "ef21"])
def test_a_decay_without_a_residual_is_refused(feedback: str) -> None:
    with pytest.raises(ValueError, match=r"decay=0.9 .* set error_feedback=true"):
        Memory(feedback, decay=0.9)


@pytest.mark.parametrize("feedback", ["ef14", "ef21"])
def test_feedback_around_a_codec_that_does_not_contract_is_refused(feedback: str) -> None:
    with pytest.raises(ValueError, match="does not contract"):
        Memory(feedback).encode(make_codec("ecsq", step=4.0), _vectors(1)[0], {}, Shared(LAYOUT))
