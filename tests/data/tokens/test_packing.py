import math

import numpy as np
import pytest

from fedbytes.data import encode, make_split, make_task, make_text_data, pack, unigram_perplexity
from fedbytes.data.tokens.encoded import EncodedSplit
from fedbytes.models.base.tiny_bases import byte_tokenizer

END = 2
TEXTS = ["abc", "", "a longer text", "de", "fghij klm", "xyz" * 30]


@pytest.fixture
def documents(home):
    data = make_text_data("docs", make_split(TEXTS, {}), make_split(["zz top", "ü"], {}))
    return encode(data, byte_tokenizer(), "t", "causal-lm", 8, pack=True)


def rows(split):
    return [split.tokens[a:b].tolist() for a, b in zip(split.offsets, split.offsets[1:])]  # noqa: B905


def whole(split, indices):
    return sorted(token for i in indices for token in rows(split)[i])


def test_documents_are_whole_and_end(documents):
    assert documents.unpacked
    assert documents.train.lengths.tolist() == [len(text) + 1 for text in TEXTS]
    assert all(row[-1] == END for row in rows(documents.train))


def test_rows_have_equal_length_and_never_mix_clients(documents):
    parts = [np.array([0, 1, 2]), np.array([], dtype=np.int64), np.array([3, 4, 5])]
    task, held = pack(documents, parts, seed=1)
    assert not task.unpacked
    assert np.concatenate(held).tolist() == list(range(len(task.train)))
    assert set(task.train.lengths) == {8}
    assert len(held[1]) == 0
    for documents_of, rows_of in zip(parts, held, strict=True):
        mine = sum(documents.train.lengths[documents_of])
        assert len(rows_of) == mine // 8
        packed = [t for row in rows_of for t in rows(task.train)[row]]
        missing = np.bincount(whole(documents.train, documents_of), minlength=300) - np.bincount(
            packed, minlength=300
        )
        assert missing.min() >= 0
        assert missing.sum() == mine % 8


def test_documents_stay_in_one_piece_in_an_order_of_the_seed(documents):
    everything = [np.arange(len(TEXTS))]
    one, again, two = (pack(documents, everything, seed)[0].train for seed in (1, 1, 2))
    assert one.digest == again.digest != two.digest
    text = byte_tokenizer().decode(one.tokens)
    assert sum(piece in TEXTS for piece in text.split("</s>")) >= len(TEXTS) - 1
    assert text != byte_tokenizer().decode(two.tokens)


def test_a_client_with_less_than_a_row_keeps_it(documents):
    task, held = pack(documents, [np.array([0]), np.array([5])])
    assert task.train.lengths[held[0]].tolist() == [4]


def test_the_test_texts_are_packed_once_and_whole(documents):
    assert documents.test.lengths.tolist() == [8, 2]
    assert documents.test.text_bytes == len("zz topü".encode())
    assert byte_tokenizer().decode(documents.test.tokens) == "zz top</s>ü</s>"


def test_a_task_that_is_not_packed_is_left_alone(home):
    data = make_text_data("docs", make_split(TEXTS, {}), make_split(["zz"], {}))
    task = encode(data, byte_tokenizer(), "t", "causal-lm", 8)
    parts = [np.array([2, 4])]
    assert pack(task, parts) == (task, parts)


def test_packing_is_for_language_modelling():
    with pytest.raises(ValueError, match="pack requires kind: causal-lm"):
        make_task("reuters-r8", pack=True)
    assert make_task({"name": "reuters-r8", "kind": "causal-lm", "pack": True}).pack


def split_of(*examples):
    tokens = np.array([t for row in examples for t in row], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, examples)])
    return EncodedSplit("test", tokens, offsets, None, {}, "d")


def test_unigram_perplexity_by_hand():
    """Counts of predicted tokens, firsts of rows left out: 1 twice, 2 once, of 4 tokens."""
    train, test = split_of([0, 1, 1], [3, 2]), split_of([3, 1, 0])
    probability = {1: 3 / 7, 0: 1 / 7}
    mean = -(math.log(probability[1]) + math.log(probability[0])) / 2
    assert unigram_perplexity(train, test, 4) == pytest.approx(math.exp(mean))
    assert unigram_perplexity(split_of([0]), test, 4) == pytest.approx(4)
