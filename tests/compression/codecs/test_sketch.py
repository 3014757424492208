"""Count-sketches add up, find the largest coordinates, and err as much as they should."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codecs.sketch.count_sketch import estimate_vector, sketch_vector
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.testing.sample_vectors import draw_vector


def _shared(n: int, **fields: int) -> Shared:
    return Shared(Layout({"x": (n,)}), **fields)


def _decode(spec: dict, x: np.ndarray, shared: Shared) -> np.ndarray:
    codec = make_codec(spec)
    return codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()


def test_the_sketch_of_a_sum_is_the_sum_of_the_sketches() -> None:
    generator = np.random.default_rng(0)
    a, b = draw_vector("gauss", 50_001, generator), draw_vector("t3", 50_001, generator)
    tables = [
        sketch_vector(x, 5, 700, _shared(50_001, sender=sender).common_generator("sketch"))
        for sender, x in enumerate((a, b, a + b))
    ]
    np.testing.assert_allclose(tables[0] + tables[1], tables[2], atol=1e-4)


def test_senders_of_a_round_hash_alike_and_rounds_apart() -> None:
    x = draw_vector("gauss", 3000, np.random.default_rng(0))
    spec = {"name": "sketch", "rows": 1, "extract": 1.0}
    first = _decode(spec, x, _shared(3000, sender=1))
    assert np.array_equal(first, _decode(spec, x, _shared(3000, sender=2)))
    assert not np.array_equal(first, _decode(spec, x, _shared(3000, sender=1, round=1)))
    total = _decode(spec, x[::-1].copy(), _shared(3000, sender=3)) + first
    np.testing.assert_allclose(total, _decode(spec, x + x[::-1], _shared(3000)), atol=1e-4)


def test_the_largest_coordinates_are_found() -> None:
    generator = np.random.default_rng(0)
    x = 0.01 * draw_vector("gauss", 100_000, generator)
    heavy = np.sort(generator.choice(x.size, 100, replace=False))
    x[heavy] += np.sign(x[heavy])
    for values in ("fp32", {"name": "int", "bits": 8}):
        spec = {"name": "sketch", "rows": 5, "density": 0.25, "extract": 0.001, "values": values}
        y = _decode(spec, x, _shared(x.size))
        assert np.count_nonzero(y) == 100
        assert np.intersect1d(np.flatnonzero(y), heavy).size >= 95
        assert ((y - x) ** 2).sum() < 0.15 * (x**2).sum()


@pytest.mark.parametrize("density", [0.05, 0.5])
def test_the_error_of_one_row_is_what_shares_its_cell(density: float) -> None:
    x = draw_vector("gauss", 40_000, np.random.default_rng(0))
    spec = {"name": "sketch", "rows": 1, "density": density, "extract": 1.0}
    y = _decode(spec, x, _shared(x.size))
    assert np.isclose(((y - x) ** 2).sum() / (x**2).sum(), 1 / density, rtol=0.05)
    y = _decode({**spec, "shrink": True}, x, _shared(x.size))
    assert np.isclose(((y - x) ** 2).sum() / (x**2).sum(), 1 / (1 + density), rtol=0.02)


@pytest.mark.parametrize("rows", [1, 2, 3, 6])
def test_numpy_alone_writes_and_reads_the_same(rows: int) -> None:
    full = draw_vector("t3", 40_001, np.random.default_rng(0))
    for x in (full, np.where(np.arange(full.size) % 97, np.float32(0), full)):
        table = sketch_vector(x, rows, 999, np.random.default_rng(1))
        y = estimate_vector(table, x.size, np.random.default_rng(1))
        with numpy_only():
            again = sketch_vector(x, rows, 999, np.random.default_rng(1))
            assert again.tobytes() == table.tobytes()
            z = estimate_vector(table, x.size, np.random.default_rng(1))
            assert z.tobytes() == y.tobytes()  # of 0 and -0 the same one


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_shrunken_medians_contract(rows: int) -> None:
    for x in (draw_vector("t3", 3000, np.random.default_rng(0)), np.eye(1, 3000, 7, np.float32)[0]):
        spec = {"name": "sketch", "rows": rows, "density": 0.1, "extract": 1.0, "shrink": True}
        losses = [
            ((_decode(spec, x, _shared(3000, round=round_)) - x) ** 2).sum() / (x**2).sum()
            for round_ in range(20)
        ]
        assert np.mean(losses) < 1
    assert make_codec(spec).contracts


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 0}, "rows must be at least 1"),
        ({"columns": 0}, "columns must be at least 1"),
        ({"extract": 0.0}, "extract must be in"),
        ({"density": 2.0}, "density must be in"),
    ],
    ids=str,
)
def test_fields_out_of_range_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec("sketch", **fields)


def test_a_table_larger_than_the_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="5 rows of 100 columns are more than the 300"):
        make_codec("sketch", columns=100).encode(torch.ones(300), _shared(300))
