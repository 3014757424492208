import hashlib
import json

import numpy as np
import pytest

from fedbytes.data import encode, make_split, make_text_data
from fedbytes.models.base.tiny_bases import byte_tokenizer

BEGIN, END = 1, 2


@pytest.fixture
def data():
    train = make_split(["abc", "", "a longer text"], {"label": ["y", "x", "y"]})
    test = make_split(["zz"], {"label": ["x"]})
    return make_text_data("small", train, test)


class Counting:
    """A tokenizer that counts the texts it is given."""

    def __init__(self):
        self.inner = byte_tokenizer()
        self.texts = 0
        for name in ("bos_token_id", "eos_token_id", "cls_token_id"):
            setattr(self, name, getattr(self.inner, name))

    def __call__(self, text, **options):
        self.texts += len(text)
        return self.inner(text, **options)


def rows(split):
    return [split.tokens[a:b].tolist() for a, b in zip(split.offsets, split.offsets[1:])]  # noqa: B905


def test_tokens_are_cut_and_labels_numbered_in_order(home, data):
    task = encode(data, byte_tokenizer(), "t", "classification", 5)
    assert task.train.lengths.tolist() == [3, 1, 5]
    assert task.label_names == ("x", "y")
    assert task.train.labels.tolist() == [1, 0, 1]
    assert task.test.labels.tolist() == [0]
    assert task.train.tokens.dtype == np.int32
    text = byte_tokenizer().decode(task.train.tokens[:3])
    assert text == "abc"


def test_language_model_texts_begin_and_end(home, data):
    task = encode(data, byte_tokenizer(), "t", "causal-lm", 5)
    first, empty, long = rows(task.train)
    assert (first[0], first[-1], len(first)) == (BEGIN, END, 5)
    assert empty == [BEGIN, END]
    assert len(long) == 5
    assert END not in long
    assert task.label_names == ()
    assert task.train.labels is None


def test_encoded_once(home, data):
    tokenizer = Counting()
    first = encode(data, tokenizer, "t", "classification", 5)
    second = encode(data, tokenizer, "t", "classification", 5)
    assert tokenizer.texts == 4
    assert second.digest == first.digest
    assert rows(second.train) == rows(first.train)
    encode(data, tokenizer, "t", "classification", 6)
    encode(data, tokenizer, "other", "classification", 5)
    assert tokenizer.texts == 12


def test_tokens_kept_before_there_were_packing_and_conversations_stay_valid(home, data):
    key = json.dumps([1, data.digest, "t", "causal-lm", 5])
    wanted = hashlib.sha256(key.encode()).hexdigest()
    assert encode(data, byte_tokenizer(), "t", "causal-lm", 5).digest == wanted
    assert data.digest.startswith("663e70c263615faa")


def test_a_damaged_cache_is_made_again(home, data):
    tokenizer = Counting()
    good = rows(encode(data, tokenizer, "t", "classification", 5).train)
    (file,) = home.glob("encoded/*/train-tokens.npy")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 255
    file.unlink()
    file.write_bytes(bytes(raw))
    assert rows(encode(data, tokenizer, "t", "classification", 5).train) == good
    assert tokenizer.texts == 8


def test_bad_input(home, data):
    with pytest.raises(ValueError, match="max_length must be at least 1 for classification, got 0"):
        encode(data, byte_tokenizer(), "t", "classification", 0)
    with pytest.raises(ValueError, match="max_length must be at least 2 for causal-lm, got 1"):
        encode(data, byte_tokenizer(), "t", "causal-lm", 1)
    bare = make_split(["a"], {})
    with pytest.raises(ValueError, match=r"no column 'label' \(known: length\)"):
        encode(make_text_data("n", bare, bare), byte_tokenizer(), "t", "classification", 5)
