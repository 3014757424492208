"""Classes as words, and prompts in front of what a model reads."""

import numpy as np
import pytest
import torch

from fedbytes.models import build_model, load_base, load_tokenizer, make_model_spec, model_spec
from fedbytes.models.batching import make_batch
from fedbytes.models.heads.verbaliser import append_question, encode_words, parse_words
from fedbytes.streams import stream

WORDS = {"name": "tiny-llama", "head": "words", "device": "cpu", "precision": "float32"}
PROMPT = {"name": "discrete_prompt", "text": "abc"}


def batch_of(task, rows=6):
    return make_batch(task.test, np.arange(rows), torch.device("cpu"))


def test_a_class_has_the_score_of_its_word_after_text_and_question(colours):
    model = build_model(WORDS, PROMPT, colours)
    tokenizer = load_tokenizer("tiny-llama")[0]
    base = load_base("tiny-llama", "causal-lm").model
    batch = batch_of(colours)
    with torch.no_grad():
        scores = model.network(batch.tokens, batch.mask)
    firsts = [tokenizer([word])["input_ids"][0][0] for word in ("b", "g", "r")]
    for row in range(len(batch)):
        text = batch.tokens[row][batch.mask[row].bool()].tolist()
        asked = tokenizer(["\nTopic: "])["input_ids"][0]
        whole = torch.tensor([tokenizer(["abc"])["input_ids"][0] + text + asked])
        with torch.no_grad():
            alone = base(input_ids=whole).logits[0, -1, firsts]
        torch.testing.assert_close(scores[row], alone, rtol=1e-4, atol=1e-5)


def test_only_the_prompt_is_trained_and_it_changes_the_scores(colours):
    model = build_model(WORDS, PROMPT, colours)
    assert model.layout.shapes == {"prompt_ids": (3,)}
    before = model.evaluate()
    model.set_state(torch.tensor([200.0, 7.0, 9.0]))
    assert model.evaluate()["loss"] != before["loss"]
    model.set_state(model.initial_state)
    assert model.evaluate() == before


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-llama"])
@pytest.mark.parametrize("adapter", [PROMPT, {"name": "projected_prompt", "text": "abc"}], ids=str)
def test_a_prompt_is_read_before_the_text(name, adapter, colours):
    model = build_model({"name": name, "device": "cpu"}, adapter, colours)
    base = load_base(name, "classification").model
    batch = batch_of(colours)
    front = torch.tensor(load_tokenizer(name)[0](["abc"])["input_ids"]).expand(len(batch), -1)
    with torch.no_grad():
        ours = model.network.backbone(input_ids=batch.tokens, attention_mask=batch.mask)
        whole = base(
            input_ids=torch.cat([front, batch.tokens], 1),
            attention_mask=torch.cat([torch.ones_like(front), batch.mask], 1),
        )
    seen = batch.mask.bool()
    expected = whole.last_hidden_state[:, 3:]
    assert ours.last_hidden_state.shape == expected.shape
    torch.testing.assert_close(ours.last_hidden_state[seen], expected[seen], rtol=1e-4, atol=1e-5)


def test_words_have_no_gradient_and_a_projected_prompt_has(colours):
    rows = np.arange(8)
    model = build_model(WORDS, PROMPT, colours)
    with pytest.raises(ValueError, match="prompt_search"):
        model.loss(next(model.batches(rows, 8, stream(0, "test"))))
    soft = build_model(WORDS, {"name": "projected_prompt", "dimension": 5}, colours)
    soft.loss(next(soft.batches(rows, 8, stream(0, "test")))).backward()
    assert soft.flat.shape == (5,)
    assert soft.flat.grad.abs().min() > 0


def test_prompts_are_cut_and_filled(colours):
    def start(**fields):
        return build_model(WORDS, {"name": "discrete_prompt", **fields}, colours).initial_state

    abc = start(text="abc")
    assert torch.equal(start(text="abcd", length=3), abc)
    assert torch.equal(start(text="abc", length=5)[:3], abc)
    assert torch.equal(start(ids=[int(i) for i in abc]), abc)
    assert start().shape == (8,)
    with pytest.raises(ValueError, match="from 0 to 259"):
        start(ids=[260])


def test_the_question_follows_each_text():
    tokens, mask = torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    joined, seen, last = append_question(tokens, mask, torch.tensor([1, 2]))
    assert joined.tolist() == [[5, 6, 7, 1, 2], [8, 1, 2, 0, 0]]
    assert seen.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert last.tolist() == [4, 2]


def test_words_that_cannot_work_are_refused(colours, colour_texts):
    tokenizer = load_tokenizer("tiny-llama")[0]
    with pytest.raises(ValueError, match=r"'red' and 'rose' begin .* model\.words"):
        encode_words(tokenizer, "?", ["red", "rose", "blue"])
    with pytest.raises(ValueError, match="has 2 words for 3 classes"):
        parse_words("a,b", ["x", "y", "z"])
    with pytest.raises(ValueError, match="words and question require head: words"):
        make_model_spec({"name": "tiny-llama", "words": "a,b"})
    with pytest.raises(ValueError, match="head=words requires a classification task"):
        build_model(WORDS, PROMPT, colour_texts)
    with pytest.raises(ValueError, match="trains no parameter with"):
        build_model(WORDS, "head", colours)
    assert model_spec(make_model_spec("tiny-llama")).keys() == {
        "name",
        "device",
        "precision",
        "pooling",
    }


def test_weights_can_be_trained_with_words_as_well(colours):
    model = build_model(WORDS, {"name": "lora", "rank": 2}, colours)
    before = model.evaluate()["loss"]
    optimizer = torch.optim.Adam([model.flat], 2e-2)
    for _, batch in zip(range(15), model.batches(np.arange(40), 20, stream(0, "t")), strict=False):
        model.loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    assert model.evaluate()["loss"] < before - 0.05
    assert not any("head" in name for name in model.layout.names)
