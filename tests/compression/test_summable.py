"""Messages that add up: the sum's mean is the decoded's, ends never wrap, rounding is right."""

import numpy as np
import pytest
import torch

from fedbytes.compression import (
    Layout,
    Shared,
    as_summable,
    make_codec,
    sum_bits,
    why_not_summable,
)
from fedbytes.compression.codec import DIGEST_BYTES, codec_id, codec_spec, seal
from fedbytes.compression.testing.sample_vectors import draw_vector

SPECS = [
    {"name": "fixed", "clip": 2.0, "bits": 2},
    {"name": "fixed", "clip": 2.0, "bits": 16},
    {"name": "thc", "unit": 0.125},
    {"name": "thc", "unit": 0.3, "bits": 2, "granularity": 12},
    {"name": "sketch", "rows": 1, "density": 0.5, "extract": 1.0, "values": {"name": "fixed"}},
    {"name": "int", "bits": 4, "rounding": "stochastic", "scale": 2.0},
    {"name": "qsgd", "levels": 7, "scale": 2.0},
    {"name": "terngrad", "scale": 2.0},
    {"name": "randk", "density": 0.2, "common": True, "values": {"name": "fixed", "clip": 2.0}},
    {
        "name": "chain",
        "transforms": ["dct", {"name": "rotate", "common": True}],
        "codec": {"name": "fixed", "clip": 2.0, "bits": 6},
    },
    {
        "name": "chain",
        "transforms": [{"name": "draw", "density": 0.5, "common": True}],
        "codec": {"name": "thc", "unit": 0.125},
    },
    {"name": "randk", "density": 0.2, "common": True, "values": {"name": "thc", "unit": 0.125}},
    {
        "name": "sketch",
        "rows": 2,
        "density": 0.5,
        "extract": 1.0,
        "values": {"name": "thc", "unit": 0.25},
    },
    {
        "name": "randk",
        "density": 0.5,
        "common": True,
        "values": {
            "name": "chain",
            "transforms": [{"name": "draw", "density": 0.5, "common": True}],
            "codec": {"name": "fixed", "clip": 2.0},
        },
    },
]


def _shared(numel: int, sender: int = 0) -> Shared:
    return Shared(Layout({"x": (numel,)}), seed=3, round=2, sender=sender)


def _sent(codec, vectors: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the integers of each vector's message, and what it decodes to."""
    found, decoded = [], []
    for sender, x in enumerate(vectors):
        shared = _shared(x.size, sender)
        data = codec.encode(torch.from_numpy(x.astype(np.float32)), shared)
        found.append(codec.open_integers(data, shared))
        decoded.append(codec.decode(data, shared).numpy())
    return found, decoded


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("senders", [1, 2, 3, 10, 20])
def test_the_mean_of_a_sum_is_the_mean_of_the_decoded(spec: dict, senders: int) -> None:
    codec, generator = as_summable(make_codec(spec)), np.random.default_rng(senders)
    weights = np.linspace(0.05, 1, senders)  # as clients of unequal sizes multiply
    vectors = [draw_vector("gauss", 5000, generator) * np.float32(w) for w in weights]
    found, decoded = _sent(codec, vectors)
    shared = _shared(5000)
    mean = codec.mean(np.sum(found, axis=0), senders, shared, codec.grid(shared))
    plain = np.mean(decoded, axis=0, dtype=np.float64)
    assert np.abs(mean - plain).max() <= 1e-6 * max(np.abs(y).max() for y in decoded)


@pytest.mark.parametrize("senders", [1, 2, 4, 16])
def test_it_is_exact_where_float32_holds_the_passes(senders: int) -> None:
    codec = as_summable(make_codec("thc", unit=0.125))
    vectors = [draw_vector("gauss", 4096, np.random.default_rng(s)) for s in range(senders)]
    found, decoded = _sent(codec, vectors)
    mean = codec.mean(np.sum(found, axis=0), senders, _shared(4096), codec.grid(_shared(4096)))
    assert np.array_equal(mean * senders, np.sum(decoded, axis=0, dtype=np.float64))


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("senders", [1, 10, 20])
def test_the_ends_of_the_range_never_wrap(spec: dict, senders: int) -> None:
    codec = as_summable(make_codec(spec))
    bits = sum_bits(codec.grid_levels, senders)
    for end in (1e38, -1e38, 2.0, -2.0):
        found, _ = _sent(codec, [np.full(300, end)] * senders)
        assert all(integers.max() < codec.grid_levels for integers in found)
        total = np.sum(found, axis=0, dtype=np.uint64)
        assert int(total.max()) < 2**bits
    assert 2 ** (bits - 1) <= senders * (codec.grid_levels - 1)  # and no bit more than is needed


def test_bits_of_a_sum_are_those_of_its_modulus() -> None:
    assert [sum_bits(2**b, 10) for b in (2, 4, 8)] == [5, 8, 12]
    assert [sum_bits(2**b, 100) for b in (2, 4, 8)] == [9, 11, 15]


def test_the_modulus_is_the_least_that_holds_every_sum() -> None:
    for levels in range(2, 40):
        for senders in range(1, 40):
            bits, most = sum_bits(levels, senders), senders * (levels - 1)
            assert most < 1 << bits
            assert bits == 1 or most >= 1 << (bits - 1)


@pytest.mark.parametrize("spec", SPECS[:4], ids=str)
def test_private_rounding_has_the_right_mean(spec: dict) -> None:
    codec, draws = as_summable(make_codec(spec)), 3000
    x = 0.3 * draw_vector("gauss", 64, np.random.default_rng(0))
    shared, noise = _shared(64), np.random.default_rng(1)
    grid = codec.grid(shared)
    rounded = np.array(
        [grid.mean(codec.integers(x, shared, grid, noise), 1) for _ in range(draws)], np.float64
    )
    image = codec.project(x, shared)
    within = np.abs(image) < 0.9 * grid.unit * grid.zero
    error = np.abs(rounded.mean(axis=0) - image)[within]
    assert (error <= 5 * rounded.std(axis=0)[within] / np.sqrt(draws) + 1e-6).all()
    assert not np.array_equal(rounded[0], rounded[1])  # nobody can draw it again


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "ecsq", "bits": 2}, "'ecsq' is entropy-coded .* thc with unit=… and bits=2"),
        ("fp32", "'fp32' does not add: use fixed"),
        ({"name": "topk", "density": 0.1}, "'topk' does not add: use"),
        ("thc", "'thc' adds up where .* set its unit"),
        ("sketch", "'sketch' adds up where .* values: {name: fixed}"),
        ("int", "'int' adds up where .* rounding: stochastic, scale"),
        ("qsgd", "'qsgd' adds up where .* uplink.scale"),
        ("randk", "'randk' adds up where .* common: true"),
        (
            {"name": "chain", "transforms": ["normalise"], "codec": "fixed"},
            "'chain' adds up where .* common=true",
        ),
    ],
    ids=str,
)
def test_what_does_not_add_is_refused_and_named_one_that_does(spec, message: str) -> None:
    codec = make_codec(spec)
    assert not codec.summable
    with pytest.raises(ValueError, match=message):
        as_summable(codec)
    assert "\n" not in str(why_not_summable(codec))


def test_fields_that_came_later_are_left_out_of_the_specification() -> None:
    assert "unit" not in codec_spec(make_codec("thc"))
    assert "hashes" not in codec_spec(make_codec("sketch"))
    assert codec_id(make_codec("thc", unit=None)) == codec_id(make_codec("thc"))
    assert codec_id(make_codec("thc", unit=0.5)) != codec_id(make_codec("thc"))


def test_a_code_beyond_the_levels_is_refused() -> None:
    codec, shared = make_codec("fixed", bits=2), _shared(4)
    body = codec.encode(torch.zeros(4), shared)[:-DIGEST_BYTES]
    assert len(body) == 1
    with pytest.raises(ValueError, match="code is 3, allowed below 3"):
        codec.decode(seal(codec, b"\xff", shared), shared)


def test_sketches_of_the_run_hash_alike_in_every_round() -> None:
    codec = as_summable(make_codec("sketch", rows=3, values="fixed", hashes="run"))
    x, layout = draw_vector("gauss", 500, np.random.default_rng(0)), Layout({"x": (500,)})
    first, second = (codec.project(x, Shared(layout, round=r)) for r in (1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, codec.project(x, Shared(layout, round=1, seed=1)))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("fixed", {"clip": 0.0}, "clip must be in"),
        ("fixed", {"bits": 1}, "bits must be in .2, 24., got 1"),
        ("thc", {"unit": -1.0}, "unit must be in"),
    ],
)
def test_wrong_fields_are_named(name: str, fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec(name, **fields)


def test_error_feedback_stays_bounded_on_a_grid_of_its_own() -> None:
    """A thousand rounds of one vector: what was sent in all is what was to be sent."""
    from fedbytes.compression.error_feedback import Memory

    codec, memory = make_codec("fixed", clip=1.0, bits=3), Memory("ef14")
    x, held, total = torch.full((200,), 0.013), {}, torch.zeros(200)
    for round_ in range(1000):
        shared = Shared(Layout({"x": (200,)}), round=round_)
        sent = memory.encode(codec, x, held, shared)
        held, total = sent.state, total + codec.decode(sent.data, shared)
    assert (total / 1000 - x).abs().max() < 1e-3
    assert held["residual"].abs().max() <= 2 / 3


def test_a_sketch_of_rotated_values_is_another_map_in_each_round() -> None:
    fields = {"rows": 3, "hashes": "run"}
    assert as_summable(make_codec("sketch", **fields, values="fixed")).one_map
    turned = as_summable(make_codec("sketch", **fields, values={"name": "thc", "unit": 0.1}))
    assert not turned.one_map


def test_the_sum_of_signs_is_the_vote() -> None:
    codec, generator = as_summable(make_codec("signsgd")), np.random.default_rng(0)
    vectors = [draw_vector("gauss", 500, generator) for _ in range(7)]
    found, _ = _sent(codec, vectors)
    shared = _shared(500)
    assert sum_bits(codec.grid_levels, 7) == 3  # ceil(log2(7 + 1))
    mean = codec.mean(np.sum(found, axis=0), 7, shared, codec.grid(shared))
    assert np.array_equal(np.sign(mean), np.sign(np.sign(vectors).sum(0)))


def test_a_scale_is_for_rounding_that_is_right_on_average() -> None:
    with pytest.raises(ValueError, match="set rounding=stochastic"):
        make_codec("int", bits=4, scale=1.0)
