"""What the codecs' table says is what theory, or a second measurement, says."""

import tracemalloc

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec, measure, measure_mean
from fedbytes.compression.measurement.codec_measures import measure_vector
from fedbytes.compression.testing.sample_vectors import draw_vector

DITHERED = make_codec("ecsq", step=1.0, rounding="dither")


def test_a_uniform_quantiser_is_a_quarter_bit_above_the_bound() -> None:
    # At high rates entropy coding of a uniform quantiser loses 10 log10(pi e / 6) = 1.53 dB.
    for bits in (3.0, 5.0):
        found = measure(make_codec("ecsq", bits=bits), numel=100_000, repeats=1)
        assert found["bits_per_coordinate"] == pytest.approx(bits, rel=0.02)
        assert found["gap_db"] == pytest.approx(1.53, abs=0.15)


def test_noise_of_several_senders_averages_out() -> None:
    alone = measure_mean(DITHERED, 1, 1.0, 20_000)
    for senders in (4, 16):
        assert measure_mean(DITHERED, senders, 1.0, 20_000) == pytest.approx(
            alone / senders, rel=0.1
        )


@pytest.mark.parametrize("correlation", [0.2, 0.9])
def test_senders_correlate_as_the_column_says(correlation: float) -> None:
    # The mean of n vectors has the energy rho + (1 - rho) / n, and the noise of 1 / n.
    senders = 16
    energy = correlation + (1 - correlation) / senders
    noise = measure_mean(DITHERED, 1, 0.0, 20_000) / senders
    assert measure_mean(DITHERED, senders, correlation, 20_000) == pytest.approx(
        noise / energy, rel=0.1
    )


def test_encoding_and_decoding_have_their_own_columns() -> None:
    # A trellis search takes far longer than walking the trellis back.
    codec, numel = make_codec("tcq", bits=2.0), 20_000
    shared = Shared(Layout({"x": (numel,)}))
    x = torch.from_numpy(draw_vector("gauss", numel, np.random.default_rng(0)))
    found = measure_vector(codec, x, shared, repeats=3)
    assert found["encode_mb_s"] < found["decode_mb_s"] / 2
    data = codec.encode(x, shared)
    for name, call in (
        ("encode_memory", lambda: codec.encode(x, shared)),
        ("decode_memory", lambda: codec.decode(data, shared)),
    ):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found[name] == pytest.approx(peak / numel, rel=0.1)
    assert found["encode_memory"] > 1.2 * found["decode_memory"]
