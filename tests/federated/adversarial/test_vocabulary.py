"""Words are found in the tokens of any tokenizer."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from fedbytes.federated import TargetText, Vocabulary
from fedbytes.federated.testing.tiny_models import text_model
from fedbytes.models.base.tiny_bases import byte_tokenizer

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "oil", "Oil", "price", "##s", "##y", ",", "gas"]


def wordpiece():
    backend = Tokenizer(
        models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        unk_token="[UNK]",
    )  # fmt: skip


def ids(*words):
    return [WORDS.index(word) for word in words]


def test_pieces_of_words_belong_together():
    vocabulary = Vocabulary(wordpiece(), len(WORDS))
    row = ids("[CLS]", "oil", "price", "##s", ",", "gas", "##y", "[SEP]")
    pieces = vocabulary.pieces(row)
    assert [token for piece in pieces for token in piece] == row
    assert [vocabulary.spell(piece) for piece in pieces[1:5]] == ["oil", "prices", ",", "gasy"]
    text = TargetText.of(row, vocabulary)
    assert text.words == (1, 2, 4)  # neither the comma nor special tokens
    assert text.tokens == row


def test_what_may_stand_for_a_token_is_of_its_kind():
    vocabulary = Vocabulary(wordpiece(), len(WORDS))

    def names(token):
        allowed = vocabulary.stands_for(WORDS.index(token))
        return {WORDS[i] for i in range(len(WORDS)) if allowed[i]}

    assert names("oil") == {"a", "price", "gas"}  # not its own in capitals
    assert names("##s") == {"##y"}


def test_a_word_is_encoded_with_the_space_that_stood_there():
    vocabulary = Vocabulary(byte_tokenizer(), 260)
    row = vocabulary.tokenizer("red box", add_special_tokens=False)["input_ids"]
    first, second = vocabulary.pieces(row)
    assert (vocabulary.spell(first), vocabulary.spell(second)) == ("red", "box")
    assert vocabulary.encode("box", second) == second
    assert vocabulary.encode("red", first) == first
    assert len(vocabulary.encode("red", second)) == 4


def test_a_vocabulary_is_found_out_once():
    from fedbytes.federated import vocabulary_of

    model = text_model("tiny-bert", {"name": "lora", "rank": 2})
    assert vocabulary_of(model) is vocabulary_of(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minilm", "smollm2-135m"])
def test_words_of_real_tokenizers(name):
    from fedbytes.models import load_tokenizer

    tokenizer = load_tokenizer(name)[0]
    vocabulary = Vocabulary(tokenizer, len(tokenizer))
    row = tokenizer("Crude oil prices jumped unexpectedly")["input_ids"]
    text = TargetText.of(row, vocabulary)
    found = [vocabulary.spell(text.pieces[word]).lower() for word in text.words]
    assert found == ["crude", "oil", "prices", "jumped", "unexpectedly"]
    for word in text.words:
        piece = text.pieces[word]
        assert vocabulary.encode(vocabulary.spell(piece), piece) == piece
