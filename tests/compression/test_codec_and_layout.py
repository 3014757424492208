"""Layout, Shared and the checks that the base class makes around every codec."""

import itertools
import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fedbytes.compression import (
    Codec,
    Layout,
    Shared,
    codec_id,
    codec_spec,
    make_codec,
)


def test_layout_places_tensors_one_after_another() -> None:
    layout = Layout({"a": (2, 3), "scalar": (), "none": (0, 5), "b": (4,)})
    assert layout.names == ("a", "scalar", "none", "b")
    assert layout.numel == 11
    assert layout.offsets == (0, 6, 7, 7, 11)
    assert layout.slices()["b"] == slice(7, 11)
    assert Layout({}).numel == 0


def test_layout_equality_hash_and_digest_follow_names_shapes_and_order() -> None:
    first = Layout({"a": (2, 3), "b": (4,)})
    assert first == Layout({"a": (2, 3), "b": (4,)})
    assert len({first, Layout({"a": (2, 3), "b": (4,)})}) == 1
    others = [{"b": (4,), "a": (2, 3)}, {"a": (3, 2), "b": (4,)}, {"a": (2, 3), "c": (4,)}]
    assert len({first.digest, *(Layout(shapes).digest for shapes in others)}) == 4
    assert 0 <= first.digest < 2**64
    assert pickle.loads(pickle.dumps(first)) == first


def test_layout_digest_is_a_fixed_number() -> None:
    assert Layout({"a": (2, 3), "b": ()}).digest == 0x666B170B83AD8D19


@pytest.mark.parametrize("shape", [(-1,), (2.5,)])
def test_layout_refuses_extents_that_are_no_sizes(shape: tuple) -> None:
    with pytest.raises(ValueError, match="extents"):
        Layout({"a": shape})


def test_shared_randomness_depends_on_seed_purpose_round_and_sender() -> None:
    layout = Layout({"a": (3,)})
    base = Shared(layout, seed=1, round=2, sender=3).generator("x").random()
    assert Shared(layout, seed=1, round=2, sender=3).generator("x").random() == base
    others = [
        Shared(layout, seed=0, round=2, sender=3).generator("x"),
        Shared(layout, seed=1, round=0, sender=3).generator("x"),
        Shared(layout, seed=1, round=2, sender=0).generator("x"),
        Shared(layout, seed=1, round=2, sender=3).generator("y"),
    ]
    assert base not in {other.random() for other in others}


def test_shared_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="round=-1"):
        Shared(Layout({}), round=-1)
    with pytest.raises(ValueError, match=r"shape \(3,\), got \(4,\)"):
        Shared(Layout({"a": (3,)}), reference=torch.zeros(4))


def test_nan_and_infinity_are_counted_in_the_error() -> None:
    x = torch.tensor([1.0, float("nan"), float("inf"), float("-inf"), float("nan")])
    with pytest.raises(ValueError, match="2 NaN and 2 infinite values of 5"):
        make_codec("fp32").encode(x, Shared(Layout({"a": (5,)})))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(5, dtype=torch.float16), "torch.float16"),
        (np.ones(5, np.float32), "ndarray"),
        (torch.ones(4), r"\(5,\), got \(4,\)"),
        (torch.ones(10)[::2], "contiguous"),
    ],
)
def test_wrong_tensors_are_named(x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec("fp32").encode(x, Shared(Layout({"a": (5,)})))


def test_payloads_are_bound_to_what_both_ends_share() -> None:
    layout = Layout({"a": (5,)})
    shared = Shared(layout, seed=1, round=2, sender=3)
    data = make_codec("int", bits=8).encode(torch.ones(5), shared)
    make_codec("int", bits=8).decode(data, shared)
    others = [
        (make_codec("int", bits=8, block=64), shared),
        (make_codec("int", bits=8), Shared(Layout({"b": (5,)}), seed=1, round=2, sender=3)),
        (make_codec("int", bits=8), Shared(layout, seed=0, round=2, sender=3)),
        (make_codec("int", bits=8), Shared(layout, seed=1, round=1, sender=3)),
        (make_codec("int", bits=8), Shared(layout, seed=1, round=2, sender=4)),
        (make_codec("int", bits=8), Shared(layout, seed=1, round=2, sender=3, place=0)),
    ]
    for codec, other in others:
        with pytest.raises(ValueError, match="digest"):
            codec.decode(data, other)


@pytest.mark.parametrize("name", ["fp32", "int", "correlated"])
def test_payloads_are_bound_to_the_senders_place(name: str) -> None:
    codec, x = make_codec(name), torch.linspace(-1, 1, 256)
    known = [Shared(Layout({"a": (256,)}), sender=3, place=place) for place in (None, 0, 1)]
    data = [codec.encode(x, shared) for shared in known]
    assert len({len(one) for one in data}) == 1
    for sent, shared in itertools.product(range(3), range(3)):
        if sent == shared:
            codec.decode(data[sent], known[shared])
            continue
        with pytest.raises(ValueError, match="round, sender or place") as refusal:
            codec.decode(data[sent], known[shared])
        assert "\n" not in str(refusal.value)


def test_decoded_vectors_are_writable_and_their_own() -> None:
    shared = Shared(Layout({"a": (5,)}))
    for name in ("fp32", "bf16"):
        data = make_codec(name).encode(torch.ones(5), shared)
        y = make_codec(name).decode(data, shared)
        y.mul_(3)
        assert torch.equal(make_codec(name).decode(data, shared), torch.ones(5))


def test_an_input_that_needs_gradients_is_taken() -> None:
    x = torch.ones(5, requires_grad=True)
    assert make_codec("fp32").encode(x, Shared(Layout({"a": (5,)})))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("tokp", {}, "did you mean 'topk'"),
        ("topk", {"desnity": 0.1}, "did you mean 'density'"),
        ("topk", {"density": 0.0}, "got 0.0"),
        ("topk", {"density": 1.5}, "got 1.5"),
        ("topk", {"bits": 9}, "got 9"),
        ("int", {"bits": 0}, "got 0"),
        ("int", {"block": 100}, "got 100"),
        ("nf4", {"block": 65}, "got 65"),
        ("sign", {"block": -1}, "got -1"),
        ("ecsq", {"bits": 2.0, "step": 1.0}, "not both"),
        ("ecsq", {"bits": 0}, "got 0"),
        ("ecsq", {"step": -1.0}, "got -1.0"),
        ("int", {"bits": 5}, "one of 8, 4, 3, 2, got 5"),
        ("fp8", {"format": "e3m4"}, "one of e4m3, e5m2, got 'e3m4'"),
        ("fp8", {"block": 0}, "got 0"),
        ("fp4", {"block": 48}, "got 48"),
        ("onebit", {"group": "row"}, "one of tensor, column, got 'row'"),
        ("qsgd", {"levels": 0}, "got 0"),
        ("qsgd", {"bucket": 0}, "got 0"),
        ("terngrad", {"clip": -1.0}, "got -1.0"),
        ("correlated", {"bits": 32}, "got 32"),
    ],
)
def test_wrong_fields_are_named(name: str, fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec(name, **fields)


def test_codec_id_follows_every_field() -> None:
    ids = {codec_id(make_codec("topk", density=d, bits=b)) for d in (0.01, 0.1) for b in (4, 8)}
    assert len(ids) == 4
    assert codec_id(make_codec("topk")) == codec_id(make_codec({"name": "topk", "density": "0.01"}))
    assert codec_spec(make_codec("topk")) == {"name": "topk", "density": 0.01, "bits": 8}


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, fedbytes.compression; "
        "print([m for m in ('torch', 'numba', 'numpy') if m in sys.modules]); "
        "fedbytes.compression.make_codec('fp32'); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]


def test_the_halves_for_codecs_made_of_codecs_are_those_of_a_payload() -> None:
    codec, shared = make_codec("topk", density=0.5), Shared(Layout({"w": (8,)}))
    x = torch.arange(8.0)
    body = codec.encode_body(x.numpy(), shared)
    assert codec.encode(x, shared)[: len(body)] == bytes(body)
    assert codec.body(x.numpy(), shared) == body  # the name until the next release
    y = codec.decode_body(body, shared)
    assert np.array_equal(y, codec.decode(codec.encode(x, shared), shared).numpy())
    y[0] = 3.0  # whoever calls it may write to it


def test_what_an_inner_codec_cannot_decode_is_its_own_error() -> None:
    @dataclass(frozen=True)
    class Fragile(Codec):
        name = "fragile"

        def _encode(self, x, shared):
            return x.copy()

        def _decode(self, data, shared):
            found = np.frombuffer(data, np.float32)
            return found[[*range(shared.layout.numel)]]

    outer = make_codec("chain", transforms=["rotate"], codec=Fragile())
    shared = Shared(Layout({"w": (8,)}))
    assert torch.allclose(outer.decode(outer.encode(torch.ones(8), shared), shared), torch.ones(8))
    body = bytes(outer.encode_body(np.ones(8, np.float32), shared))
    with pytest.raises(ValueError, match="fragile payload is malformed"):
        outer.decode_body(memoryview(body[:-4]), shared)
