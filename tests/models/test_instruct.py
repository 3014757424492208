"""Instruction tuning: loss on answers alone, and answers that the model writes itself."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fedbytes.data import encode, make_text_data, unigram_perplexity
from fedbytes.data.readers.conversations import make_chat_split, question_and_answer
from fedbytes.data.tokens.encoded import GenerationOptions
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.batching import make_batch
from fedbytes.models.heads.generation import Answer, generate_tokens, rouge_l, score_answers

CPU = torch.device("cpu")
END = 2
PAIRS = [("red?", "cat"), ("green, and what else?", "dog"), ("b?", "cow")]


@pytest.fixture(scope="module")
def task(home):
    split = make_chat_split([question_and_answer(*pair) for pair in PAIRS], {})
    data = make_text_data("animals", split, split)
    task = encode(data, byte_tokenizer(), "bytes", "causal-lm", 64, template="plain")
    object.__setattr__(task, "generation", GenerationOptions(3, 8))
    return task


@pytest.fixture(scope="module")
def trained(task):
    """A model that knows the answers by heart."""
    model = build_model("tiny-llama", "full", task)
    optimiser = torch.optim.AdamW([model.flat], lr=1e-2)
    batch = make_batch(task.train, np.arange(3), CPU)
    for _ in range(80):
        optimiser.zero_grad(set_to_none=False)
        model.loss(batch).backward()
        optimiser.step()
    return model


def test_the_loss_is_that_of_the_answers_alone(task):
    model = build_model({"name": "tiny-llama", "precision": "float32"}, "full", task)
    batch = make_batch(task.train, np.arange(3), CPU)
    scores = model.network(batch.tokens, batch.mask)
    losses = []
    for row in range(3):
        length = int(batch.mask[row].sum())
        for place in range(length - 4, length):  # three letters and the end
            losses.append(F.cross_entropy(scores[row, place - 1], batch.tokens[row, place]))
    assert int(batch.targets.sum()) == 12
    assert model.loss(batch).item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    assert model.evaluate()["loss"] == pytest.approx(model.loss(batch).item(), rel=1e-4)
    assert unigram_perplexity(task.train, task.test, 260) < 260


def test_scores_are_those_from_the_first_answer_on(task):
    model = build_model("tiny-llama", "full", task)
    batch = make_batch(task.train, np.arange(3), CPU)
    assert batch.scores_from == min(task.train.lengths) - 5  # before three letters and the end
    part = model.network(batch.tokens, batch.mask, scores_from=batch.scores_from)
    whole = model.network(batch.tokens, batch.mask)
    torch.testing.assert_close(part, whole[:, batch.scores_from :])


def test_a_model_that_learned_the_answers_writes_them(task, trained):
    before = build_model("tiny-llama", "full", task).evaluate()
    after = trained.evaluate()
    assert set(after) == {"loss", "perplexity", "exact_match", "rouge_l"}
    assert before["exact_match"] == 0
    assert after["exact_match"] == after["rouge_l"] == 1
    assert {(a.wanted, a.written) for a in trained.answers} == {(a, a) for _, a in PAIRS}
    assert all(q in a.prompt for (q, _), a in zip(PAIRS, trained.answers, strict=True))
    assert "exact_match" not in trained.evaluate("train")


def test_answers_do_not_depend_on_who_shares_the_batch(task, trained):
    tokens = byte_tokenizer()([f"{question}\n\n" for question, _ in PAIRS])["input_ids"]
    backbone = trained.network.backbone
    together = generate_tokens(backbone, tokens, 4, [END], CPU)
    alone = [generate_tokens(backbone, [row], 4, [END], CPU)[0] for row in tokens]
    assert together == alone
    assert all(len(row) <= 4 for row in together)
    assert generate_tokens(backbone, [], 4, [END], CPU) == []


def test_with_an_adapter_and_constant_layers(task):
    """The layers below an adapter are replaced in training, and run when answers are written."""
    model = build_model("tiny-llama", {"name": "lora", "rank": 2, "layers": 1}, task)
    model.prepare()
    first = model.evaluate()
    whole = build_model(
        "tiny-llama", {"name": "lora", "rank": 2, "layers": 1}, task, layer_cache=False
    )
    assert whole.evaluate() == pytest.approx(first, rel=1e-5)
    assert [a.written for a in whole.answers] == [a.written for a in model.answers]


def test_rouge_l_by_hand():
    assert rouge_l("the cat sat on the mat", "The cat on a mat.") == pytest.approx(8 / 11)
    assert rouge_l("a b c", "c b a") == pytest.approx(1 / 3)
    assert rouge_l("", "") == 1
    assert rouge_l("word", "") == 0


def test_exact_match_ignores_case_and_blanks():
    pairs = [("Interest rates", "interest  rates"), ("oil", "oils")]
    found = score_answers([Answer("", *pair) for pair in pairs])
    assert found["exact_match"] == 0.5
    assert found["rouge_l"] == 0.5
    assert score_answers([]) == {}


def test_greedy_answers_are_told_without_generating_them(task, trained):
    """By teacher forcing, the same answers are found right as those that are written."""
    optimised = trained.get_state()
    noise = torch.randn(len(optimised), generator=torch.Generator().manual_seed(3))
    names = np.array(["mammal", "mammal", "other"])
    seen = set()
    for scale in (0.0, 0.02, 0.05, 0.1, 0.3):
        trained.set_state(optimised + scale * noise)
        object.__setattr__(task, "measures", names)
        found = trained.evaluate()
        right = [answer.wanted == answer.written for answer in trained.answers]
        by_name = dict(zip([answer.prompt for answer in trained.answers], right, strict=True))
        ordered = [ok for _, ok in sorted(by_name.items(), key=lambda one: _place(one[0]))]
        assert found["mammal"] == np.mean(ordered[:2])
        assert found["other"] == ordered[2]
        seen |= {found["mammal"], found["other"]}
    object.__setattr__(task, "measures", None)
    trained.set_state(optimised)
    assert len(seen) > 1


def _place(prompt):
    return next(place for place, (question, _) in enumerate(PAIRS) if question in prompt)
