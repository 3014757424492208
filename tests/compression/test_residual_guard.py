"""Error feedback loses nothing for good, stays bounded, and says when it does not."""

import dataclasses

import numpy as np
import pytest
import torch

from fedbytes.compression import (
    DivergedError,
    Layout,
    ResidualGuard,
    Shared,
    default_variants,
    encode_with_feedback,
    make_codec,
)
from fedbytes.compression.testing.sample_vectors import draw_vector

CONTRACTING = [spec for spec in default_variants() if make_codec(spec).contracts]
LAYOUT = Layout({"x": (1000,)})


@pytest.mark.parametrize("spec", CONTRACTING, ids=str)
def test_what_is_sent_and_what_is_kept_add_up(spec: dict) -> None:
    codec, generator = make_codec(spec), np.random.default_rng(0)
    given, sent, residual = torch.zeros(1000), torch.zeros(1000), None
    for round in range(20):
        x = torch.from_numpy(draw_vector("gauss", 1000, generator))
        shared = Shared(LAYOUT, round=round)
        data, decoded, residual = encode_with_feedback(codec, x, residual, shared)
        assert torch.equal(codec.decode(data, shared), decoded)
        given, sent = given + x, sent + decoded
    torch.testing.assert_close(sent + residual, given, rtol=0, atol=1e-3)


@pytest.mark.parametrize("spec", CONTRACTING, ids=str)
def test_the_residual_of_a_contracting_codec_settles(spec: dict) -> None:
    codec, generator = make_codec(spec), np.random.default_rng(1)
    guard, residual, ratios = ResidualGuard(), None, []
    rounds = 400 if codec.sparse else 120  # a sparse one takes long to have sent every coordinate
    for round in range(rounds):
        x = torch.from_numpy(draw_vector("gauss", 1000, generator))
        _, _, residual = encode_with_feedback(codec, x, residual, Shared(LAYOUT, round=round))
        ratios.append(guard.check(x, residual))
    later = rounds * 3 // 4
    assert max(ratios[later:]) <= max(1.2 * max(ratios[later // 2 : later]), 1e-6)


def test_a_codec_that_does_not_contract_is_refused_with_the_remedy() -> None:
    x = torch.ones(1000)
    for fields in ({"step": 4.0}, {"step": 2.0}, {"bits": 0.9, "rounding": "dither"}):
        with pytest.raises(ValueError, match="smaller step"):
            encode_with_feedback(make_codec("ecsq", **fields), x, None, Shared(LAYOUT))


def _run_step_of_four(guard: ResidualGuard, rounds: int) -> None:
    codec, residual = make_codec("ecsq", step=4.0), torch.zeros(1000)
    x = torch.from_numpy(draw_vector("gauss", 1000, np.random.default_rng(2)))
    for round in range(rounds):
        target, shared = x + residual, Shared(LAYOUT, round=round)
        residual = target - codec.decode(codec.encode(target, shared), shared)
        guard.check(x, residual)


def test_a_step_of_four_really_diverges_and_the_guard_says_so() -> None:
    _run_step_of_four(ResidualGuard(), 100)
    with pytest.raises(DivergedError, match="times the first updates"):
        _run_step_of_four(ResidualGuard(limit=50), 100)


def _grow(guard: ResidualGuard) -> None:
    for round in range(100):
        guard.check(torch.ones(3) * 1.5**round, torch.ones(3) * 1.5**round)


def test_the_guard_sees_a_residual_that_carries_the_updates_along() -> None:
    with pytest.raises(DivergedError, match="grew for"):
        _grow(ResidualGuard())
    with pytest.raises(DivergedError, match="inf"):
        ResidualGuard().check(torch.ones(3), torch.full((3,), float("inf")))


def test_a_residual_that_wobbles_is_not_one_that_grows() -> None:
    guard = ResidualGuard(limit=2)
    for round in range(60):  # far above the limit, and smaller again every other round
        guard.check(torch.ones(1), torch.full((1,), 10.0 + round % 2 - 0.01 * round))


def test_the_scale_is_the_largest_of_the_first_updates() -> None:
    guard = ResidualGuard(limit=2)
    for round in range(10):
        size = 100.0 if round == 3 else 0.01
        ratio = guard.check(torch.full((1,), size), torch.full((1,), 1.0 + round))
    assert ratio == pytest.approx(0.1)
    guard.check(torch.full((1,), 1e6), torch.ones(1))
    assert guard.scale == 100  # later updates may already diverge


def test_guard_state_is_plain_numbers() -> None:
    guard = ResidualGuard()
    guard.check(torch.ones(3), torch.ones(3))
    assert ResidualGuard(**dataclasses.asdict(guard)) == guard
    assert all(isinstance(value, int | float) for value in dataclasses.asdict(guard).values())


def test_nothing_given_is_changed() -> None:
    x, residual = torch.ones(1000), torch.full((1000,), 0.3)
    encode_with_feedback(make_codec("topk"), x, residual, Shared(LAYOUT))
    assert torch.equal(x, torch.ones(1000))
    assert torch.equal(residual, torch.full((1000,), 0.3))


def test_a_residual_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="residual has shape"):
        encode_with_feedback(make_codec("topk"), torch.ones(1000), torch.ones(7), Shared(LAYOUT))
