"""Attacks on texts: what they change, by which estimate, within which budget."""

import numpy as np
import pytest
import torch

from fedbytes.federated import (
    TEXT_ATTACKS,
    TargetText,
    Victim,
    find_suffix,
    make_text_attack,
    vocabulary_of,
)
from fedbytes.federated.testing.tiny_models import LORA, text_model
from fedbytes.federated.text_attacks.char_swap import inner_swaps
from fedbytes.streams import stream

OURS = [
    (name, fields) for name in TEXT_ATTACKS.names() for fields in TEXT_ATTACKS.get(name).examples
]


@pytest.mark.parametrize(("name", "fields"), OURS, ids=str)
def test_an_attack_of_ours_keeps_its_contract(name, fields):
    findings = TEXT_ATTACKS.check(make_text_attack(name, **fields))
    assert len(findings) == 5
    assert not [f"{f.property}: {f.message}" for f in findings if not f.passed]


def weighted(kind="classification", scale=0.3):
    name = "tiny-bert" if kind == "classification" else "tiny-llama"
    model = text_model(name, LORA, kind)
    drawn = stream(0, "weights").normal(0, scale, model.layout.numel)
    model.set_state(torch.from_numpy(drawn.astype(np.float32)))
    return model


def victim_of(model, text, most=200):
    tokens = model.task.tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = torch.tensor([tokens])
    label = int(model.score_tokens(whole, torch.ones_like(whole)).argmax())
    return Victim(model, TargetText.of(tokens, vocabulary_of(model), label), most)


def test_scores_of_a_batch_are_those_of_each_row_alone():
    model = weighted()
    victim = victim_of(model, "red one two")
    rows = [victim.text.tokens, victim.text.tokens[:4], victim.text.tokens[2:]]
    together = victim.margins(rows)
    alone = [victim.margins([row])[0] for row in rows]
    assert together == pytest.approx(alone, abs=1e-5)
    assert victim.queries == 6


def test_no_row_is_scored_beyond_the_queries():
    victim = victim_of(weighted(), "red one two", most=3)
    assert len(victim.margins([victim.text.tokens] * 5)) == 3
    assert victim.left == 0
    assert victim.margins([victim.text.tokens]) == []


def test_the_gradient_is_that_of_the_margin():
    model = weighted()
    victim = victim_of(model, "red one two")
    margin, gradient = victim.gradient(victim.text.tokens)
    assert margin == pytest.approx(victim.margins([victim.text.tokens])[0], abs=1e-5)
    way = torch.from_numpy(stream(0, "way").normal(size=tuple(gradient.shape))).float()
    step = 1e-3

    def moved(sign):
        return float(victim.shifted_margin(lambda x, _: x + sign * step * way).detach())

    slope = (moved(1) - moved(-1)) / (2 * step)
    assert slope == pytest.approx(float((gradient * way).sum()), rel=0.02)


def test_hotflip_takes_the_flip_of_the_lowest_estimate():
    """With one candidate it is the argmin of (e_b - e_a) . g over all places and tokens."""
    model = weighted()
    victim = victim_of(model, "red one")
    attack = make_text_attack("hotflip", candidates=1, words=1.0)
    _, gradient = victim.gradient(victim.text.tokens)
    tokens, vectors = victim.text.tokens, model.embedding
    best = min(
        (float((vectors[b] - vectors[a]) @ gradient[place]), place, int(b))
        for place, a in enumerate(tokens)
        for b in np.flatnonzero(victim.vocabulary.stands_for(a))
    )
    ((piece, place, token),) = attack._best_flips(
        victim, victim.text.pieces, victim.text.words, gradient
    )
    flat = sum(len(p) for p in victim.text.pieces[:piece]) + place
    assert (flat, token) == best[1:]


def test_hotflip_lowers_the_margin_and_never_beyond_its_words():
    model, fooled = weighted(), 0
    for text in ("red one two three", "green xxxx yy zzz", "blue oo pp"):
        victim = victim_of(model, text)
        before = victim.margins([victim.text.tokens])[0]
        outcome = make_text_attack("hotflip").attack(victim, stream(0, "attack"))
        assert outcome.changed == 1
        assert len(outcome.tokens) == len(victim.text.tokens)
        after = Victim(model, victim.text, 1).margins([outcome.tokens])[0]
        assert after < before
        assert outcome.fooled == (after < 0)
        fooled += outcome.fooled
    assert fooled >= 1


@pytest.mark.parametrize(
    ("share", "words", "most"), [(0.15, 18, 2), (0.15, 20, 3), (0.15, 3, 1), (1.0, 5, 5)]
)
def test_the_budget_of_words(share, words, most):
    text = TargetText(tuple((i,) for i in range(words)), tuple(range(words)))
    assert make_text_attack("hotflip", words=share).most(text) == most


def test_swaps_keep_the_first_letter():
    assert inner_swaps("boat") == ["baot", "bota"]
    assert inner_swaps("grain") == ["garin", "grian", "grani"]
    assert inner_swaps("to") == inner_swaps("aaa") == []


def test_word_drop_leaves_out_the_word_that_matters_most():
    model = weighted()
    victim = victim_of(model, "red one two three")
    outcome = make_text_attack("word_drop").attack(victim, stream(0, "attack"))
    pieces, words = victim.text.pieces, victim.text.words
    again = Victim(model, victim.text, 100)
    margins = again.margins(
        [[t for i, p in enumerate(pieces) if i != word for t in p] for word in words]
    )
    if min(margins) < again.margins([victim.text.tokens])[0]:
        gone = words[int(np.argmin(margins))]
        left = [t for i, piece in enumerate(pieces) if i != gone for t in piece]
        assert list(outcome.tokens) == left
        assert outcome.fooled == (min(margins) < 0)
    else:
        assert outcome.changed == 0


def test_neighbours_are_the_nearest_by_cosine():
    model = weighted()
    victim = victim_of(model, "a cat")
    attack = make_text_attack("neighbours", nearest=4)
    piece = victim.text.pieces[0]
    found = [token for (token,) in attack._neighbours(victim, piece)]
    vectors = torch.nn.functional.normalize(model.embedding, dim=1)
    allowed = np.flatnonzero(victim.vocabulary.stands_for(piece[0]))
    order = sorted(allowed, key=lambda t: -float(vectors[t] @ vectors[piece[0]]))
    assert found == order[:4]


def test_a_longer_text_is_cut_before_its_closing_token():
    model = weighted()
    victim = victim_of(model, "x" * 24)
    closing = int(model.task.tokenizer.eos_token_id)
    row = victim.join([tuple(victim.text.tokens), (closing,)])
    assert len(row) == model.task.max_length
    assert row[-1] == closing


def test_pgd_with_no_radius_fools_nobody_and_with_a_large_one_does():
    model = weighted()
    for eps, fooled in ((0.0, False), (3.0, True)):
        victim = victim_of(model, "red one two")
        outcome = make_text_attack("pgd", eps=eps).attack(victim, stream(0, "attack"))
        assert outcome.fooled is fooled
        assert outcome.queries == victim.queries <= 11


def test_a_suffix_lowers_the_loss_of_its_target():
    model = weighted("causal-lm", 0.05)
    tokenizer = model.task.tokenizer
    prompt, target, after = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("red x", "blue", "\n")
    )
    found = find_suffix(
        model, prompt, target, stream(0, "gcg"), after=after, length=5, candidates=16, steps=8
    )
    assert len(found.tokens) == 5
    assert list(found.losses) == sorted(found.losses, reverse=True)
    assert found.losses[-1] < found.losses[0] - 0.05
    row = torch.tensor([[*prompt, *found.tokens, *after, *target]])
    scores = model.score_tokens(row, torch.ones_like(row))[0, -1 - len(target) : -1]
    wanted = torch.nn.functional.cross_entropy(scores, torch.tensor(target))
    assert found.loss == pytest.approx(float(wanted.detach()), rel=1e-4)
    assert found.reached == bool((scores.argmax(1) == torch.tensor(target)).all())


def test_a_suffix_search_ends_when_its_target_is_what_is_written():
    model = weighted("causal-lm", 0.05)
    prompt = model.task.tokenizer("red x", add_special_tokens=False)["input_ids"]
    row = torch.tensor([prompt])
    written = [int(model.score_tokens(row, torch.ones_like(row))[0, -1].argmax())]
    found = find_suffix(model, prompt[:-1], written, stream(0, "gcg"), start=prompt[-1:], steps=5)
    assert found.reached
    assert found.queries == 1
    assert found.tokens == tuple(prompt[-1:])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: make_text_attack("hotflop"), "did you mean 'hotflip'"),
        (lambda: make_text_attack("hotflip", words=1.5), "words must be"),
        (lambda: make_text_attack("char_swap", words=0), "words must be in (0, 1], got 0"),
        (lambda: make_text_attack("neighbours", queries=0), "queries must be at least 1, got 0"),
        (lambda: make_text_attack("pgd", eps=-1), "eps must be at least 0, got -1"),
        (lambda: make_text_attack("gcg", target=" "), "target must say how the answer begins"),
        (
            lambda: find_suffix(weighted(), [5], [6], stream(0, "gcg")),
            "a causal-lm model, got one of a classification task",
        ),
        (
            lambda: find_suffix(weighted("causal-lm"), [5], [], stream(0, "gcg")),
            "the target has no tokens",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call, said):
    with pytest.raises(ValueError) as refused:
        call()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
