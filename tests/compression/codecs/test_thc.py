"""THC: the integers' sum, decoded once, is the mean of what is decoded one by one."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fedbytes.compression import Layout, Shared, decode_sum, make_codec, sum_payloads
from fedbytes.compression.codec import DIGEST_BYTES, seal
from fedbytes.compression.codecs.thc.integer_table import integer_table
from fedbytes.compression.testing.sample_vectors import draw_vector


def _coded(vectors: list[np.ndarray], **fields: float) -> tuple:
    codec = make_codec("thc", **fields)
    layout = Layout({"x": (vectors[0].size,)})
    shareds = [Shared(layout, seed=3, round=1, sender=place) for place in range(len(vectors))]
    pairs = zip(vectors, shareds, strict=True)
    return codec, [codec.encode(torch.from_numpy(x), shared) for x, shared in pairs], shareds


def _one_by_one(codec, payloads: list[bytes], shareds: list[Shared]) -> np.ndarray:
    pairs = zip(payloads, shareds, strict=True)
    return np.sum([codec.decode(data, s).numpy() for data, s in pairs], axis=0, dtype=np.float64)


@pytest.mark.parametrize("n", [4096, 3 * 4096])
def test_the_sum_decodes_exactly_to_the_mean(n: int) -> None:
    generator = np.random.default_rng(n)
    vectors = [draw_vector("t3", n, generator) * np.float32(scale) for scale in (1, 1.7, 4, 2)]
    codec, payloads, shareds = _coded(vectors)
    total = sum_payloads(codec, payloads, shareds)
    assert total.senders == 4
    mean = decode_sum(total, shareds[0]).numpy()
    assert np.array_equal(4.0 * mean, _one_by_one(codec, payloads, shareds))


@pytest.mark.parametrize("n", [1, 2, 100, 5000, 9001])
def test_any_length_and_unlike_scales_add_up_to_float_arithmetic(n: int) -> None:
    generator = np.random.default_rng(n)
    vectors = [draw_vector("lora", n, generator) * np.float32(2.0 ** (3 * k)) for k in range(8)]
    vectors[3][:] = 0
    codec, payloads, shareds = _coded(vectors)
    mean = decode_sum(sum_payloads(codec, payloads, shareds), shareds[0]).numpy()
    expected = _one_by_one(codec, payloads, shareds) / 8
    assert np.abs(mean - expected).max() <= 1e-6 * np.abs(expected).max()


def test_sums_of_nothing_and_of_zeros() -> None:
    for x in (np.zeros(0, np.float32), np.zeros(300, np.float32)):
        codec, payloads, shareds = _coded([x, x])
        assert not decode_sum(sum_payloads(codec, payloads, shareds), shareds[0]).any()


def test_the_mean_of_many_is_near_the_true_mean() -> None:
    generator = np.random.default_rng(0)
    vectors = [draw_vector("gauss", 20_000, generator) for _ in range(16)]
    codec, payloads, shareds = _coded(vectors)
    mean = decode_sum(sum_payloads(codec, payloads, shareds), shareds[0]).numpy()
    true = np.mean(vectors, axis=0)
    loss = ((mean - true) ** 2).sum() / (true**2).sum()  # errors of independent vectors do not
    assert np.isclose(loss, 0.0237, rtol=0.1)  # average out against their mean, nor grow


def test_sums_are_refused_where_they_make_no_sense() -> None:
    x = draw_vector("gauss", 100, np.random.default_rng(0))
    codec, payloads, shareds = _coded([x, x * np.float32(2.0**40)])
    with pytest.raises(ValueError, match="differ by 2\\^40 between senders"):
        sum_payloads(codec, payloads, shareds)
    with pytest.raises(ValueError, match="2 payloads for 1 senders"):
        sum_payloads(codec, payloads, shareds[:1])
    with pytest.raises(ValueError, match="digest"):
        sum_payloads(codec, payloads, shareds[::-1])
    other = Shared(shareds[0].layout, seed=3, round=2, sender=1)
    with pytest.raises(ValueError, match="one layout, seed and round"):
        sum_payloads(codec, payloads, [shareds[0], other])


@pytest.mark.parametrize(("bits", "granularity"), [(1, 4), (2, 9), (2, 12), (3, 7), (3, 12)])
def test_no_symmetric_table_rounds_better(bits: int, granularity: int) -> None:
    z = np.linspace(-3, 3, 6001)
    density = norm.pdf(z)

    def loss(table: np.ndarray) -> float:
        values = table * 3 / granularity
        cell = np.clip(np.searchsorted(values, z) - 1, 0, values.size - 2)
        return float(((values[cell + 1] - z) * (z - values[cell]) * density).sum())

    start = granularity % 2 or 2
    inner = range(start, granularity, 2)
    halves = combinations(inner, (1 << bits) // 2 - 1)
    tables = [np.array([-granularity, *(-np.array(h[::-1], int)), *h, granularity]) for h in halves]
    found = integer_table(bits, granularity, 3.0)
    assert loss(found) <= min(map(loss, tables)) * (1 + 1e-3)
    assert found.size == 1 << bits


def test_clamping_is_all_the_bias() -> None:
    x = draw_vector("gauss", 4096, np.random.default_rng(0))
    layout, codec = Layout({"x": (x.size,)}), make_codec("thc", limit=2.0)
    mean = np.zeros(x.size)
    for sender in range(300):  # one rotation, independent rounding
        shared = Shared(layout, sender=sender)
        mean += codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()
    loss = ((mean / 300 - x) ** 2).sum() / (x**2).sum()
    clamped = 2 * (5 * norm.sf(2) - 2 * norm.pdf(2))
    assert 0.2 * clamped < loss < 1.3 * clamped


def test_contracts_says_what_the_table_allows() -> None:
    assert make_codec("thc").contracts
    assert make_codec("thc", bits=8, granularity=510, limit=2.0).contracts
    assert not make_codec("thc", bits=2, granularity=12).contracts
    assert not make_codec("thc", limit=1.5).contracts


def test_wild_units_are_refused() -> None:
    codec, shared = make_codec("thc"), Shared(Layout({"x": (100,)}))
    body = codec.encode(torch.ones(100), shared)[:-DIGEST_BYTES]
    with pytest.raises(ValueError, match="unit is 65535, allowed 0 to 1528"):
        codec.decode(seal(codec, body[:2] + b"\xff\xff" + body[4:], shared), shared)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bits": 0}, r"bits must be in \[1, 8\], got 0"),
        ({"bits": 5}, "granularity must be at least 31 .* got 30"),
        ({"limit": 0.5}, r"limit must be in \[1, 8\], got 0.5"),
    ],
)
def test_wrong_fields_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec("thc", **fields)
