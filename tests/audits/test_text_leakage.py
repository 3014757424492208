"""What messages say of texts: as exact as theory has it, and never from more than the bytes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from leaky_federation import make_federation

from fedbytes.audits.rows import MovedRows
from fedbytes.audits.text_leakage import Guess, TextLeakage, prefix_search
from fedbytes.audits.text_leakage.guess import Truth, score_guess
from fedbytes.audits.text_leakage.input_matrices import find_input_group, read_inputs
from fedbytes.audits.text_leakage.signal_space import signal_space
from fedbytes.federated import Simulation, make_audit
from fedbytes.models import ngram_f1, subsequence_f1

ALL = {"clients": 4, "rounds": (2, 3)}
LOSSY = [{"name": "int", "bits": 8}, {"name": "ecsq", "bits": 2.0}, {"name": "ecsq", "bits": 0.2}]


def mean_of(rows: list[dict[str, Any]], metric: str) -> float:
    return float(np.mean([row[metric] for row in rows]))


def normalised(codec: Any) -> Any:
    return {"name": "chain", "transforms": ["normalise"], "codec": codec}


def test_span_finds_every_token_at_its_place_in_exact_messages(found_by):
    rows = found_by(audit={"name": "span", **ALL}, rounds=3)
    assert len(rows) == 8
    assert mean_of(rows, "recall") == mean_of(rows, "placed") == 1
    assert mean_of(rows, "exact") == mean_of(rows, "rouge_2") == 1
    assert mean_of(rows, "chance_recall") < 0.7
    assert mean_of(rows, "chance_placed") < 0.2


def test_batches_are_found_while_their_tokens_are_fewer_than_the_width(found_by):
    rows = found_by(audit={"name": "span", **ALL}, rounds=3, batch_size=2)
    assert mean_of(rows, "recall") == 1
    assert {row["examples"] for row in rows} == {2}


def test_a_lossy_message_never_says_more_than_an_exact_one(found_by):
    placed = [
        mean_of(found_by(audit={"name": "span", **ALL}, rounds=3, uplink=uplink), "placed")
        for uplink in ["fp32", *map(normalised, LOSSY)]
    ]
    assert placed[0] >= placed[1] > placed[2] > placed[3]
    assert placed[1] > 0.9
    assert placed[3] < 0.3


def test_a_decoder_s_texts_are_found_by_its_second_layer(found_by):
    options = {"model": "tiny-llama", "layers": (0, 1)}
    rows = found_by(audit={"name": "span", **ALL, "rounds": (1,)}, rounds=1, **options)
    assert mean_of(rows, "recall") == mean_of(rows, "exact") == 1
    one = found_by(audit={"name": "span", **ALL, "rounds": (1,)}, rounds=1, model="tiny-llama")
    assert mean_of(one, "recall") == 1
    assert "exact" not in one[0], "nothing tells the order of tokens in the first layer"


def test_each_text_of_a_decoder_s_batch_is_found(found_by):
    options = {"model": "tiny-llama", "layers": (0, 1), "batch_size": 2}
    rows = found_by(audit={"name": "span", **ALL, "rounds": (1,)}, rounds=1, **options)
    assert mean_of(rows, "exact") == 1


def test_what_several_texts_explain_is_theirs_and_no_more():
    known = torch.linalg.qr(torch.randn(30, 8, generator=torch.Generator().manual_seed(0))).Q.T
    together = prefix_search._joined([known, known])
    assert together.shape == known.shape
    assert torch.allclose(together.T @ together, known.T @ known, atol=1e-5)


def test_as_many_first_words_are_kept_as_there_are_texts():
    costs = [1e-6 * place for place in range(90)] + [1e-3 * (place + 1) for place in range(39)]
    firsts = [0] * 90 + [*range(1, 40)]
    kept = prefix_search._best(costs, firsts, 20)
    assert {firsts[place] for place in kept} == set(range(40))
    assert kept == sorted(kept)
    assert len(kept) == 20 * 4 + 39


def test_rows_of_the_embedding_are_the_bag_of_words(found_by):
    rows = found_by(audit={"name": "rows", **ALL}, rounds=3, adapter="full", batch_size=4)
    for metric in ("recall", "precision", "f1"):
        assert mean_of(rows, metric) == 1
    heads = found_by(audit={"name": "rows", **ALL}, rounds=3, adapter="head")
    assert mean_of(heads, "label_recall") == mean_of(heads, "label_precision") == 1
    assert mean_of(heads, "chance_label_recall") < 0.7
    assert "recall" not in heads[0]


def test_the_first_factors_of_lora_span_as_many_tokens_as_they_have_rows(found_by):
    lora = {"name": "lora", "rank": 16, "layers": (0,), "targets": ["q_proj", "v_proj"]}
    options = {"rounds": 3, "model": "tiny-llama", "learning_rate": 1.0}
    rows = found_by(audit={"name": "span", **ALL}, adapter=lora, **options)
    assert mean_of(rows, "recall") > 0.95
    small = found_by(audit={"name": "span", **ALL}, adapter=lora | {"rank": 2}, **options)
    assert mean_of(small, "recall") < mean_of(rows, "recall") - 0.1


def test_an_audit_changes_neither_model_nor_bytes_with_whole_matrices():
    ends = []
    for audit in (None, [{"name": "span", "rounds": (1, 2)}, {"name": "rows", "rounds": (1, 2)}]):
        run = Simulation(make_federation(audit))
        run.run_round(), run.run_round()
        ends.append((run.state.model, run.ledger.total))
    assert torch.equal(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]


@dataclass(frozen=True, kw_only=True)
class Peeks(TextLeakage):
    def rebuild(self, delta, heard, context):
        assert context.truth is None, "the truth is for scoring alone"
        assert not hasattr(heard, "trained")
        return Guess(tokens=[4, 5, 6])


def test_an_attack_is_not_told_the_truth_and_chance_is_of_strangers():
    Peeks.name = "peeks"
    fed = make_federation(Peeks(clients=1, rounds=(1,)))
    run = Simulation(fed)
    run.run_round()
    (row,) = run.heard()
    split, special = fed.model.task.train, frozenset(fed.model.task.tokenizer.all_special_ids)
    wanted = []
    for part in fed.parts[1:]:
        text = split.tokens[split.offsets[part[0]] : split.offsets[part[0] + 1]].tolist()
        wanted.append(score_guess(Guess(tokens=[4, 5, 6]), Truth([text]), special)["recall"])
    assert row["chance_recall"] == pytest.approx(np.mean(wanted))
    assert row["payload_bits"] == pytest.approx(32, abs=1)


def test_what_a_client_read_is_noted_and_nothing_else():
    fed = make_federation({"name": "rows", "clients": 4, "rounds": (1,)}, local_steps=3)
    run = Simulation(fed)
    run.run_round()
    rng = fed.batch_rng(1, 2)
    batches = fed.model.batches(fed.parts[2], 1, rng)
    wanted = sorted({int(next(batches).rows[0]) for _ in range(3)})
    assert run.auditors._read.keys() == {0, 1, 2, 3}
    assert sorted({int(one[0]) for one in run.auditors._read[2]}) == wanted
    assert len(run.auditors._read[2]) == 3
    assert "batches" not in vars(fed.model)


def test_scores_by_hand():
    special = frozenset({0, 1})
    guess = Guess([5, 6, 1], frozenset({(5, 1), (6, 3)}), [[0, 5, 6]], [2])
    found = score_guess(guess, Truth([[0, 5, 6, 5], [0, 7, 1]], [2, 3]), special)
    assert found["recall"] == pytest.approx(2 / 3)  # 5 and 6 of 5, 6, 7; what is special is out
    assert found["precision"] == 1
    assert found["f1"] == pytest.approx(0.8)
    assert found["placed"] == pytest.approx(1 / 4)  # of (5, 1) (6, 2) (5, 3) (7, 1)
    assert found["rouge_1"] == pytest.approx((4 / 5 + 0) / 2)
    assert found["exact"] == 0
    assert found["label_recall"] == 0.5
    assert found["label_precision"] == 1
    assert "placed" not in score_guess(Guess([5]), Truth([[5]]), special)


def test_rouge_by_hand():
    assert ngram_f1("abc", "abd", 1) == pytest.approx(2 / 3)
    assert ngram_f1("abc", "abd", 2) == pytest.approx(1 / 2)
    assert ngram_f1("aa", "aaa", 1) == pytest.approx(4 / 5)
    assert ngram_f1("a", "a", 2) == 1
    assert subsequence_f1("abc", "cab") == pytest.approx(2 / 3)
    assert subsequence_f1("", "a") == 0


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-4, 0.05])
def test_the_rank_is_that_of_the_signal_whatever_the_noise(noise):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(300, 12)) @ rng.normal(size=(12, 60))
    space = signal_space(signal + noise * rng.normal(size=signal.shape), most=30)
    assert space.shape == (60, 12)
    inside = np.linalg.norm(signal @ space) / np.linalg.norm(signal)
    assert inside > 1 - 10 * max(noise, 1e-7) ** 2


def test_matrices_that_read_embeddings_are_found_by_what_they_read():
    fed = make_federation({"name": "span"}, layers=(0, 1))
    group = find_input_group(fed.model, fed.layout, 10)
    names = [name for name in fed.layout.names if ".layer.0." in name]
    assert group is not None
    assert (list(group.names), group.positions) == (names, 10)
    llama = make_federation({"name": "span"}, model="tiny-llama", layers=(0, 1))
    found = find_input_group(llama.model, llama.layout, 12)
    assert found is not None
    assert found.positions == 1
    assert all("layers.0." in name for name in found.names)
    tokens = torch.tensor([[5, 6]])
    read = read_inputs(fed.model, group.module, tokens)
    assert read.shape == (1, 2, 32)


def test_what_cannot_be_audited_is_refused_before_the_run():
    with pytest.raises(ValueError, match="no matrix that clients send reads embeddings"):
        make_federation("span", adapter={"name": "lora", "rank": 2, "layers": 1})
    with pytest.raises(ValueError, match="rounds must be numbers from 1"):
        make_audit("span", rounds=(0,))
    with pytest.raises(ValueError, match="neither rows of the embedding nor a head's bias"):
        make_federation("rows", model="tiny-llama")
    assert isinstance(make_audit("rows"), MovedRows)
    every = [make_audit(name) for name in ("rows", "span", "omp", "invert")]
    assert {one.rounds for one in every} == {(2,)}, "in the first LoRA's A has no gradient yet"
