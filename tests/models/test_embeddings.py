"""Sentence embeddings: one unit vector a text, the same in any batch, computed once."""

import numpy as np
import pytest
import torch

from fedbytes.models import embeddings as module
from fedbytes.models import load_base, load_tokenizer
from fedbytes.models.embeddings import sentence_embeddings
from fedbytes.process.user_cache import cache_folder

TEXTS = ["rain and wind", "a", "", "the bank lends money to the team that plays a match", "rain"]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))


def embed(texts, digest="d", **fields):
    return sentence_embeddings(texts, digest, "tiny-bert", **fields)


def test_each_is_the_mean_of_its_own_states_at_length_one():
    found = embed(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), load_base("tiny-bert").model.config.hidden_size)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    tokenizer, backbone = load_tokenizer("tiny-bert")[0], load_base("tiny-bert").model
    for text, row in zip(TEXTS, found, strict=True):
        tokens = tokenizer([text])["input_ids"][0]
        if not tokens:
            continue
        with torch.inference_mode():
            states = backbone(input_ids=torch.tensor([tokens])).last_hidden_state[0]
        mean = states.mean(dim=0)
        assert row == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)


def test_batches_do_not_change_them(monkeypatch):
    whole = embed(TEXTS)
    monkeypatch.setattr(module, "_TOKENS_PER_BATCH", 8)
    alone = embed(TEXTS, digest="again")
    assert np.allclose(whole, alone, atol=1e-5)
    rows = [[0] * size for size in (1, 2, 3, 5, 9)]
    batches = module._batches([0, 1, 2, 3, 4], rows)
    assert [len(batch) for batch in batches] == [2, 1, 1, 1]  # 3 × 3 would be 9 tokens


def test_long_texts_are_cut():
    long = "word " * 200
    cut = load_tokenizer("tiny-bert")[0]([long], truncation=True, max_length=16)["input_ids"][0]
    assert len(cut) == 16
    first, second = embed([long, long + "end"], max_length=16)
    assert np.array_equal(first, second)


def test_they_are_computed_once_and_kept_by_content(monkeypatch):
    first = embed(TEXTS)
    assert len(list(cache_folder("embeddings").glob("[0-9a-f]*"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(module, "_fill", None)  # what is there is not computed again
        assert np.array_equal(embed(TEXTS), first)
    embed(TEXTS, max_length=8)
    embed(TEXTS, digest="others")
    assert len(list(cache_folder("embeddings").glob("[0-9a-f]*"))) == 3


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="did you mean 'minilm'"):
        sentence_embeddings(TEXTS, "d", "minilmm")
