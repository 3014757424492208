"""Cleaners, on rows whose scores are known by hand, and on planted ones."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.defenses.cleaner_parts.client_rows import pooled_features
from fedbytes.defenses.cleaner_parts.dropping import keep_lowest, keep_others
from fedbytes.defenses.cleaner_parts.minhash import near_duplicates, sign_texts
from fedbytes.defenses.cleaner_parts.text_surprise import text_surprise
from fedbytes.defenses.cleaners.activation_clustering import mean_silhouette
from fedbytes.defenses.cleaners.onion import suspicious_words
from fedbytes.defenses.cleaners.spectral import outlier_scores
from fedbytes.federated import make_plugins
from fedbytes.federated.protocol.root_examples import RootExamples
from fedbytes.federated.stages.rewritten_data import rewrite
from fedbytes.federated.stages.trusted_rows import root_examples
from fedbytes.federated.testing.plugin_bench import federation, stage_context
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.models.testing.tiny_task import colour_task, tiny_model_of
from fedbytes.streams import stream


def cleaner_of(name, **fields):
    return make_plugins(clean={"name": name, **fields}).clean[0]


def test_the_highest_scores_are_dropped_and_the_order_stays():
    rows = np.array([4, 7, 9, 12])
    assert keep_lowest(rows, np.array([1.0, 9.0, 3.0, 4.0]), 0.25).tolist() == [4, 9, 12]
    assert keep_lowest(rows, np.ones(4), 0.5).tolist() == [4, 7]
    assert keep_others(rows, np.array([0, 3])).tolist() == [7, 9]
    assert keep_others(rows, np.arange(4)).tolist() == rows.tolist()


def test_equal_minima_estimate_the_share_of_common_shingles():
    one = np.arange(300)
    other = np.concatenate([np.arange(200), np.arange(500, 600)])  # 200 of 400 tokens in common
    signatures = sign_texts([one, other], 1, 4096)
    assert np.mean(signatures[0] == signatures[1]) == pytest.approx(0.5, abs=0.04)


def test_the_first_of_near_duplicates_stays():
    rng = stream(0, "texts")
    texts = [rng.integers(0, 5000, 40) for _ in range(30)]
    near = texts[3].copy()
    near[20] = 5001  # 2 of 41 shingles differ
    found = near_duplicates(sign_texts([*texts, texts[7], near, near[::-1]], 2, 128), 0.8)
    assert found.tolist() == [30, 31]


def test_a_chain_of_duplicates_leaves_its_first():
    base = np.arange(60)
    chain = [np.where(base < 6 * step, base + 1000, base) for step in range(4)]
    found = near_duplicates(sign_texts(chain, 1, 256), 0.7)
    assert found.tolist() == [1, 2, 3]


def test_spectral_scores_are_squared_parts_along_the_strongest_direction():
    rows = np.array([[1.0, 0.1], [-1.0, 0.1], [5.0, -0.2], [-5.0, 0.0]])
    np.testing.assert_allclose(outlier_scores(rows), [1, 1, 25, 25], rtol=2e-2)
    turned = rows @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 7
    np.testing.assert_allclose(outlier_scores(turned), outlier_scores(rows), rtol=1e-9)


def test_the_silhouette_of_four_points_by_hand():
    points = np.array([[0.0], [1.0], [10.0], [12.0]])
    small = np.array([False, False, True, True])
    by_hand = [1 - 1 / 11, 1 - 1 / 10, 1 - 2 / 9.5, 1 - 2 / 11.5]
    assert mean_silhouette(points, small) == pytest.approx(np.mean(by_hand))
    alone = np.array([False, False, False, True])
    assert mean_silhouette(points[:, :1], alone) < mean_silhouette(points, small)


def test_a_small_cluster_that_stands_apart_is_found_and_half_of_a_cloud_is_not():
    rng = stream(0, "clusters")
    cleaner = cleaner_of("activation_clustering")
    cloud = rng.normal(scale=0.1, size=(24, 16))
    cloud[20:] += 5
    assert np.flatnonzero(cleaner._small_cluster(cloud, rng)).tolist() == [20, 21, 22, 23]
    cloud[:10] += 5
    assert not cleaner._small_cluster(cloud, rng).any()  # ten of 24 are more than 35 %
    assert not cleaner._small_cluster(np.zeros((8, 16)), rng).any()


def test_unigram_surprise_by_hand():
    surprise = text_surprise("unigram", ["a a b", "a c"])
    found = surprise(["a", "b c", "d", ""])
    np.testing.assert_allclose(found, [math.log(6 / 3), math.log(6), math.log(6), 0])


def test_the_word_that_a_text_reads_better_without_is_taken_out():
    surprise = text_surprise("unigram", ["we met we met we met cf"])
    assert suspicious_words("we cf met", surprise, 1, 0.1) == [1]
    assert suspicious_words("we met we", surprise, 2, 0.1) == []
    assert suspicious_words("cf", surprise, 3, 0.0) == []
    assert suspicious_words("we cf cf", surprise, 1, 0.0) == [1]


def test_onion_rewrites_the_rows_of_each_client_by_its_own_words():
    task = colour_task("classification")
    words = task.tokenizer
    texts = ["red xx cf", "red xx", "red xx", "red xx"]
    tokens = [np.array(words([text])["input_ids"][0], dtype=np.int32) for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in tokens])])
    split = replace(
        task.train, tokens=np.concatenate(tokens), offsets=offsets, labels=np.zeros(4, np.int64)
    )
    task = replace(task, train=split)
    made = rewrite((cleaner_of("onion"),), task, [np.arange(4), np.zeros(0, np.int64)])
    spelt = [
        words.decode(made.train.tokens[a:b].tolist(), skip_special_tokens=True)
        for a, b in zip(made.train.offsets[:-1], made.train.offsets[1:], strict=True)
    ]
    assert spelt == ["red xx", "red xx", "red xx", "red xx"]
    assert made.train.digest != task.train.digest
    kept, _ = cleaner_of("onion").clean(np.arange(4), None, {})
    assert kept.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("judge", ["unigram", "tiny-llama"])
def test_perplexity_drops_the_strangest(judge):
    context = stage_context("clean 0 perplexity", 0, plugins=make_plugins(clean="perplexity"))
    rows = np.arange(40)
    kept, _ = cleaner_of("perplexity", drop=0.25, judge=judge).clean(rows, context, {})
    assert len(kept) == 30
    task = context.model.task
    texts = [
        task.tokenizer.decode(task.train.tokens[a:b].tolist(), skip_special_tokens=True)
        for a, b in zip(task.train.offsets[:-1], task.train.offsets[1:], strict=True)
    ]
    scores = text_surprise(judge, texts)(texts)
    dropped = np.setdiff1d(rows, kept)
    assert scores[dropped].min() >= scores[kept].max()


def test_features_stand_in_the_order_of_the_rows():
    context = stage_context("clean 0 spectral", 0, plugins=make_plugins(clean="spectral"))
    rows = np.array([31, 2, 17, 5, 39])
    found = pooled_features(context, rows, "spectral")
    for place in range(len(rows)):
        alone = pooled_features(context, rows[place : place + 1], "spectral")
        np.testing.assert_allclose(found[place], alone[0], atol=1e-5)


def test_influence_is_what_a_step_does_to_the_trusted_loss():
    plugins = make_plugins(clean={"name": "influence", "root_examples": 6, "drop": 0.5})
    context = stage_context("clean 0 influence", 0, plugins=plugins)
    model, rows = context.model, np.arange(10, 16)
    kept, _ = plugins.clean[0].clean(rows, context, {})
    assert len(kept) == 3
    start = model.get_state()

    def change(row):
        """Return how the trusted loss moves by a short step along an example's gradient."""
        model.set_state(start)
        before = float(model.loss(context.root).detach().double())
        model.flat.grad.zero_()
        model.loss(next(model.batches(np.array([row]), 1, context.rng()))).backward()
        model.set_state(start - 1e-2 * model.flat.grad)
        model.flat.grad.zero_()
        return float(model.loss(context.root).detach().double()) - before

    moved = {row: change(row) for row in rows.tolist()}
    dropped = set(rows.tolist()) - set(kept.tolist())
    assert max(moved[row] for row in kept.tolist()) < min(moved[row] for row in dropped)


@pytest.mark.parametrize("kind", ["classification", "causal-lm"])
def test_trusted_examples_arrive_as_they_were(kind):
    split = tiny_model_of("tiny-llama", "full", kind).task.train
    learned = stream(0, "learned").random(len(split.tokens)) < 0.5
    for given in (split, replace(split, learned=learned)):
        sent = RootExamples.of(given, np.array([3, 11, 12]))
        got = RootExamples.open(sent.payload).split
        assert len(got) == 3
        for place, row in enumerate((3, 11, 12)):
            a, b = given.offsets[row], given.offsets[row + 1]
            c, d = got.offsets[place], got.offsets[place + 1]
            assert got.tokens[c:d].tolist() == given.tokens[a:b].tolist()
            if given.learned is not None:
                assert got.learned[c:d].tolist() == given.learned[a:b].tolist()
        if given.labels is not None:
            assert got.labels.tolist() == given.labels[[3, 11, 12]].tolist()
        for data in (sent.payload[:-1], sent.payload + b"0", b"", b"12345678901"):
            with pytest.raises(ValueError, match="cut or altered"):
                RootExamples.open(data)


def test_tokens_above_65535_take_four_bytes():
    split = colour_task("classification").train
    tokens = split.tokens.copy()
    tokens[int(split.offsets[5])] = 70_000
    wide = replace(split, tokens=tokens)
    plain, four = (RootExamples.of(one, np.array([5])) for one in (split, wide))
    assert len(four.payload) - len(plain.payload) == 2 * int(split.lengths[5])
    assert RootExamples.open(four.payload).split.tokens[0] == 70_000


def test_trusted_examples_are_in_the_ledger_once_for_each_client():
    plugins = make_plugins(clean={"name": "influence", "root_examples": 6, "from_round": 1})
    fed = federation(plugins)
    run = Rehearsal(fed).go(3)
    sent = [entry for entry in run.ledger.entries if entry.kind == "root"]
    assert sorted(entry.client for entry in sent) == list(range(10))
    assert {entry.round for entry in sent} == {1}
    split = root_examples(fed).split
    assert len(split) == 4  # all that the server has
    size = 11 + 4 * 4 + 2 * len(split.tokens) + 2 * 4  # lengths, tokens, classes
    assert {entry.payload_bytes for entry in sent} == {size}
    plain = Rehearsal(federation(make_plugins())).go(3)
    assert not [entry for entry in plain.ledger.entries if entry.kind == "root"]


def test_the_server_trusts_its_own_examples_first():
    plugins = make_plugins(clean={"name": "influence", "root_examples": 100})
    fed = federation(plugins)
    assert len(root_examples(fed).split) == len(fed.server_rows) == 4
    without = replace(fed, server_rows=np.zeros(0, np.int64))
    assert len(root_examples(without).split) == 40


def test_texts_are_needed(make_run):
    with pytest.raises(ValueError, match="the model has no texts: leave out influence"):
        make_run(3, plugins=make_plugins(clean="influence"))
    with pytest.raises(ValueError, match="reads texts, and the model has none"):
        make_run(3, plugins=make_plugins(clean="duplicates")).go(1)


def test_a_class_loses_those_who_look_otherwise():
    """Rows that are moved into a class of other texts are what `spectral` drops of it."""
    context = stage_context("clean 0 spectral", 0, plugins=make_plugins(clean="spectral"))
    model, rng = context.model, stream(0, "planted")
    features = rng.normal(scale=0.1, size=(40, 8))
    features[36:] += 3
    order = np.argsort(-outlier_scores(features))
    assert set(order[:4].tolist()) == {36, 37, 38, 39}
    counts = np.bincount(model.task.train.labels)
    kept, _ = cleaner_of("spectral", share=0.2).clean(np.arange(40), context, {})
    left = np.bincount(model.task.train.labels[kept], minlength=len(counts))
    assert left.tolist() == [int(n - int(0.3 * n)) for n in counts]


def test_nothing_is_dropped_before_the_first_round_that_says_so():
    for name in ("spectral", "activation_clustering", "influence"):
        plugins = make_plugins(clean={"name": name, "from_round": 3})
        context = stage_context(f"clean 0 {name}", 0, plugins=plugins)
        rows = np.arange(40)
        kept, _ = plugins.clean[0].clean(rows, context, {})
        assert torch.equal(torch.tensor(kept), torch.tensor(rows))
