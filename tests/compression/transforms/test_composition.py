"""Codecs made of others: rules, budgets and chains."""

from typing import Any

import numpy as np
import pytest
import torch

from fedbytes.compression import Codec, Layout, Shared, make_codec
from fedbytes.compression.codec import DIGEST_BYTES
from fedbytes.compression.testing.sample_vectors import draw_vector
from fedbytes.labels import short_label

LAYOUT = Layout({"q.lora_A": (8, 40), "q.lora_B": (60, 8), "v.lora_A": (8, 40), "head": (100,)})
RULES = {
    "name": "rules",
    "rules": [
        {"match": "*lora_A*", "codec": {"name": "int", "bits": 4}},
        {"match": "*lora_B*", "codec": {"name": "topk", "density": 0.1}},
        {"match": "*", "codec": "fp32"},
    ],
}


def _vector(numel: int = LAYOUT.numel, distribution: str = "gauss") -> torch.Tensor:
    return torch.from_numpy(draw_vector(distribution, numel, np.random.default_rng(4)))


def _round_trip(spec: dict, x: torch.Tensor, layout: Layout = LAYOUT) -> tuple[bytes, torch.Tensor]:
    codec, shared = make_codec(spec), Shared(layout, seed=1, round=2, sender=3)
    data = codec.encode(x, shared)
    return data, codec.decode(data, shared)


def test_rules_send_each_tensor_by_its_own_codec() -> None:
    x, slices = _vector(), LAYOUT.slices()
    data, y = _round_trip(RULES, x)
    assert torch.equal(y[slices["head"]], x[slices["head"]])
    b = y[slices["q.lora_B"]]
    assert int((b != 0).sum()) == 48
    for name in ("q.lora_A", "v.lora_A"):
        error = (y - x)[slices[name]].norm() / x[slices[name]].norm()
        assert 0 < error < 0.15
    parts = [{"A": (640,)}, {"B": (480,)}, {"h": (100,)}]
    inner = [make_codec(rule["codec"]) for rule in RULES["rules"]]
    alone = 0
    for codec, part in zip(inner, parts, strict=True):
        layout = Layout(part)
        alone += len(codec.encode(torch.ones(layout.numel), Shared(layout))) - DIGEST_BYTES
    assert abs(len(data) - alone) < 60  # two lengths; ones are cheaper to place than x


def test_a_rule_is_the_codec_alone_where_it_matches_everything() -> None:
    x = _vector()
    _, y = _round_trip({"name": "rules", "rules": [{"match": "*", "codec": "nf4"}]}, x)
    _, alone = _round_trip({"name": "nf4"}, x)
    assert torch.equal(y, alone)


def test_two_rules_do_not_share_their_randomness() -> None:
    dither = {"name": "ecsq", "step": 2.0, "rounding": "dither"}
    layout = Layout({"a": (300,), "b": (300,)})
    rules = [{"match": "a", "codec": dither}, {"match": "b", "codec": dither}]
    half = _vector(300)
    _, y = _round_trip({"name": "rules", "rules": rules}, torch.cat((half, half)), layout)
    assert not torch.equal(y[:300], y[300:])


def test_rules_name_a_tensor_that_none_matches() -> None:
    rules = {"name": "rules", "rules": RULES["rules"][:2]}
    with pytest.raises(ValueError, match=r"none matches tensor 'head'; end with match='\*'"):
        _round_trip(rules, _vector())
    with pytest.raises(ValueError, match="at least one"):
        make_codec("rules")
    with pytest.raises(ValueError, match="no field 'mach'; did you mean 'match'"):
        make_codec("rules", rules=[{"mach": "*", "codec": "fp32"}])
    with pytest.raises(ValueError, match=r"needs codec"):
        make_codec("rules", rules=[{"match": "*"}])


@pytest.mark.parametrize("budget", [700, 2_000, 20_000])
@pytest.mark.parametrize("name", ["ecsq", "topk"])
def test_a_budget_is_met_and_used(name: str, budget: int) -> None:
    x, layout = _vector(30_000), Layout({"x": (30_000,)})
    data, y = _round_trip({"name": "budget", "codec": name, "payload_bytes": budget}, x, layout)
    assert 0.9 * budget < len(data) <= budget
    assert ((y - x).norm() / x.norm()) < 1


def test_a_larger_budget_loses_less() -> None:
    x, layout, errors = _vector(30_000), Layout({"x": (30_000,)}), []
    for budget in (1_000, 3_000, 10_000, 30_000):
        spec = {"name": "budget", "codec": "ecsq", "payload_bytes": budget}
        errors.append(float((_round_trip(spec, x, layout)[1] - x).norm()))
    assert errors == sorted(errors, reverse=True)


def test_a_budget_that_cannot_be_met_says_what_is_needed() -> None:
    layout = Layout({"x": (300_000,)})
    spec = {"name": "budget", "codec": "ecsq", "payload_bytes": 100}
    with pytest.raises(ValueError, match=r"needs \d+ bytes .* the budget is 100; raise"):
        _round_trip(spec, _vector(300_000), layout)
    with pytest.raises(ValueError, match="int has no rate that can be set at will"):
        make_codec("budget", codec="int", payload_bytes=1000)
    with pytest.raises(ValueError, match="payload_bytes must be at least"):
        make_codec("budget", codec="ecsq", payload_bytes=0)


def test_a_chain_of_keep_and_a_cast_is_topk() -> None:
    x = _vector()
    chain = {"name": "chain", "transforms": [{"name": "keep", "density": 0.1}], "codec": "bf16"}
    _, y = _round_trip(chain, x)
    _, topk = _round_trip({"name": "topk", "density": 0.1, "bits": 16}, x)
    assert torch.equal(y, topk)
    assert make_codec(chain).sparse
    assert make_codec(chain).contracts


def test_rotation_in_a_chain_spreads_what_a_fixed_rate_wastes() -> None:
    x, layout = _vector(8192, "t3"), Layout({"x": (8192,)})
    codec = {"name": "int", "bits": 2, "block": 4096}
    _, plain = _round_trip(codec, x, layout)
    _, turned = _round_trip({"name": "chain", "transforms": ["rotate"], "codec": codec}, x, layout)
    assert (turned - x).norm() < 0.8 * (plain - x).norm()


def test_normalise_spends_on_small_tensors_too() -> None:
    layout = Layout({"large": (2000,), "small": (2000,)})
    x = _vector(4000)
    x[2000:] *= 1e-4
    codec = {"name": "ecsq", "bits": 2.0}
    chain = {"name": "chain", "transforms": ["normalise"], "codec": codec}
    (_, plain), (_, level) = _round_trip(codec, x, layout), _round_trip(chain, x, layout)
    small = slice(2000, None)
    assert torch.equal(plain[small], torch.zeros(2000))
    assert (level - x)[small].norm() < 0.4 * x[small].norm()


def test_a_chain_needs_a_transform_and_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="at least one transform"):
        make_codec("chain", transforms=[], codec="fp32")
    with pytest.raises(ValueError, match="unknown transform 'rotat'; did you mean 'rotate'"):
        make_codec("chain", transforms=["rotat"], codec="fp32")


PREDICTS = {"name": "lora_klt", "bits": 1.0, "basis": "reference"}


def rules_of(*codecs: Any) -> Codec:
    names = [*(f"{i}*" for i in range(len(codecs) - 1)), "*"]
    rules = [{"match": m, "codec": c} for m, c in zip(names, codecs, strict=True)]
    return make_codec("rules", rules=rules)


@pytest.mark.parametrize("claim", ["exact", "unbiased", "contracts"])
def test_rules_promise_what_each_of_their_codecs_does(claim: str) -> None:
    parts = ["fp32", "topk", {"name": "qsgd", "levels": 1, "bucket": 64}, {"name": "bf16"}]
    for one in parts:
        for other in parts:
            both = all(getattr(make_codec(part), claim) for part in (one, other))
            assert getattr(rules_of(one, other), claim) == both


def test_what_predicts_says_so_wherever_it_is() -> None:
    assert rules_of("fp32", PREDICTS).uses_reference
    assert rules_of(PREDICTS, "fp32").uses_reference
    assert not rules_of("fp32", "topk").uses_reference
    assert make_codec("budget", payload_bytes=500, codec=PREDICTS).uses_reference
    assert not make_codec("budget", payload_bytes=500, codec="topk").uses_reference


def test_a_chain_that_mixes_coordinates_is_not_sparse() -> None:
    keep, rotate = {"name": "keep", "density": 0.1}, "rotate"
    for transforms, sparse in (([keep], True), ([rotate, keep], False), ([keep, rotate], False)):
        assert make_codec("chain", transforms=transforms, codec="fp32").sparse == sparse


def test_labels_say_what_is_inside() -> None:
    chain = {"name": "chain", "transforms": [{"name": "keep", "density": 0.1}], "codec": "fp32"}
    assert short_label(make_codec(chain)) == "chain [keep density=0.1] (fp32)"
    assert short_label(make_codec(RULES)) == (
        "rules [*lora_A* int bits=4, *lora_B* topk density=0.1, * fp32]"
    )
