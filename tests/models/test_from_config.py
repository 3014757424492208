"""Models from a configuration: sizes, initial weights from the seed, and their tokenizer."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from fedbytes.data import make_split, make_text_data
from fedbytes.data.tokens.tokenizer_training import serialise_tokenizer, trained_tokenizer
from fedbytes.models import build_model, encode_task, make_model_spec, model_spec

SMALL = {"name": "llama", "hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 280}


@pytest.fixture(scope="module")
def task(texts):
    return {"name": "file", "path": str(texts), "kind": "causal-lm", "max_length": 24}


@pytest.fixture(scope="module")
def encoded(task):
    return encode_task(task, SMALL)


def test_sizes_are_those_of_the_configuration(encoded):
    model = build_model(SMALL, "full", encoded)
    shapes = model.layout.shapes
    assert shapes["model.embed_tokens.weight"] == (len(encoded.tokenizer), 32)
    assert sum("q_proj" in name for name in shapes) == 2
    assert model.layout.numel == model.info.parameters
    assert model.vocabulary == len(encoded.tokenizer) <= 280
    wide = build_model(SMALL | {"tie_embeddings": False, "kv_heads": 1}, "full", encoded)
    assert wide.layout.shapes["model.layers.0.self_attn.k_proj.weight"] == (16, 32)
    assert "lm_head.weight" in wide.layout.shapes


def test_the_default_has_some_million_parameters(encoded):
    assert 2e6 < build_model("llama", "full", encoded).layout.numel < 5e6


def test_initial_weights_come_from_the_seed_alone(encoded):
    torch.manual_seed(1)
    one = build_model(SMALL, "full", encoded, seed=5)
    torch.manual_seed(2)
    two = build_model(SMALL, "full", encoded, seed=6)
    assert not torch.equal(one.initial_state, two.initial_state)
    assert torch.equal(one.initial_state, two.draw_initial(5))
    assert torch.equal(one.get_state(), one.initial_state)
    matrices = one.initial_state[one.initial_state != 1]  # the norms are ones
    assert matrices.std() == pytest.approx(0.02, rel=0.2)
    assert one.evaluate()["loss"] == pytest.approx(np.log(len(encoded.tokenizer)), rel=0.05)


def test_nothing_is_there_before_the_first_round_but_the_tokenizer(encoded):
    info = build_model(SMALL, "full", encoded).info
    assert info.setup_bytes == 0
    assert info.tokenizer_bytes == len(serialise_tokenizer(encoded.tokenizer)) > 1000


def test_a_given_tokenizer_is_taken(task):
    spec = {"name": "llama", "hidden_size": 32, "layers": 1, "heads": 2, "tokenizer": "tiny-llama"}
    model = build_model(spec, "full", encode_task(task, spec))
    assert model.vocabulary == 260


def test_it_classifies_as_well(texts):
    task = encode_task({"name": "file", "path": str(texts), "max_length": 24}, SMALL)
    model = build_model(SMALL, "full", task)
    assert set(model.evaluate()) == {"accuracy", "macro_f1", "loss"}


def test_the_canonical_specification_has_every_size():
    spec = model_spec(make_model_spec(SMALL))
    assert spec["kv_heads"] is None
    assert spec["layers"] == 2
    assert make_model_spec(spec) == make_model_spec(SMALL)
    assert model_spec(make_model_spec("minilm")) == {
        "name": "minilm",
        "device": "auto",
        "precision": "auto",
        "pooling": "auto",
    }


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hiden_size": 8}, "model has no field 'hiden_size'; did you mean 'hidden_size'?"),
        ({"devise": "cpu"}, "model has no field 'devise'; did you mean 'device'?"),
        ({"layers": "two"}, "model 'llama': layers must be of type int, got 'two'"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"heads": 3}, "hidden_size=256 and heads=3"),
        ({"kv_heads": 3}, "kv_heads must divide heads, got kv_heads=3 and heads=4"),
        ({"vocab_size": 99}, "vocab_size must be at least 257"),
        ({"vocab_size": 999, "tokenizer": "minilm"}, "'minilm' has its own"),
    ],
)
def test_mistakes_are_named(spec, message):
    with pytest.raises(ValueError) as error:
        make_model_spec({"name": "llama"} | spec)
    assert message in str(error.value)


def test_random_weights_must_all_be_trained(encoded):
    with pytest.raises(ValueError, match="must all be trained: use adapter full"):
        build_model(SMALL, {"name": "lora", "rank": 2}, encoded)


def text_data(*texts):
    return make_text_data("texts", make_split(list(texts), {}), make_split(["test words"], {}))


SCRIPT = """
import hashlib
from fedbytes.data.tokens.tokenizer_training import _train
texts = [f"word{i % 37} und so weiter {i % 11}" for i in range(500)]
print(hashlib.sha256(_train(texts, 400).encode()).hexdigest())
"""


def test_a_trained_tokenizer_is_the_same_in_every_process():
    found = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1


def test_a_trained_tokenizer_takes_any_text_and_gives_it_back():
    tokenizer = trained_tokenizer(text_data("low lower lowest", "slow"), 270)
    assert 257 < len(tokenizer) <= 270
    for text in ("lowest", " two  blanks", "ü€🙂", "low<"):
        ids = tokenizer([text], add_special_tokens=False)["input_ids"][0]
        assert tokenizer.decode(ids) == text
    assert len(tokenizer(["lowest"], add_special_tokens=False)["input_ids"][0]) < len("lowest")
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == 0


def test_a_trained_tokenizer_never_reads_the_test_texts(home):
    one = trained_tokenizer(text_data("aaa bbb"), 300)
    other = make_text_data("texts", make_split(["aaa bbb"], {}), make_split(["zzz yyy"] * 9, {}))
    assert serialise_tokenizer(trained_tokenizer(other, 300)) == serialise_tokenizer(one)
