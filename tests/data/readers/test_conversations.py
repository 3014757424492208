"""Conversations: from tables, through chat templates, to tokens of which answers are learned."""

import json

import numpy as np
import pandas as pd
import pytest

from fedbytes.data import TASKS, encode, make_split, make_task, make_text_data
from fedbytes.data.readers.conversations import chat_split, make_chat_split, question_and_answer
from fedbytes.data.tokens.chat_template import TEMPLATES, pick_template, render_chat
from fedbytes.models.base.tiny_bases import byte_tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '</s>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
TURNS = (
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "bye"},
)


def encoded(chats, template="plain", max_length=200):
    data = make_text_data("chats", make_chat_split(chats, {}), make_chat_split(chats[:1], {}))
    return encode(data, byte_tokenizer(), "t", "causal-lm", max_length, template=template)


def learned_texts(split):
    tokenizer = byte_tokenizer()
    texts = []
    for a, b in zip(split.offsets, split.offsets[1:]):  # noqa: B905
        texts.append(tokenizer.decode(split.tokens[a:b][split.learned[a:b]]))
    return texts


@pytest.mark.parametrize("template", [CHATML, *TEMPLATES])
def test_answers_and_their_ends_are_learned_in_every_turn(home, template):
    task = encoded([TURNS, question_and_answer("three?", "3 it is")], template)
    assert learned_texts(task.train) == ["1</s>2</s>", "3 it is</s>"]
    text = byte_tokenizer().decode(task.train.tokens[: task.train.offsets[1]])
    assert "be brief" in text
    assert text.index("one?") < text.index("1</s>") < text.index("two?")
    assert "bye" not in text


def test_pieces_are_what_the_template_writes():
    tokenizer = byte_tokenizer()
    pieces = render_chat(TURNS[:5], CHATML, tokenizer)
    whole = tokenizer.apply_chat_template(list(TURNS[:5]), chat_template=CHATML, tokenize=False)
    assert "".join(text for text, _ in pieces) == whole.rstrip("\n")


def test_a_long_question_gives_way_to_the_answer(home):
    chat = question_and_answer("what? " * 50, "the answer")
    task = encoded([chat], "alpaca", 64)
    assert 60 <= task.train.lengths[0] <= 64
    assert learned_texts(task.train) == ["the answer</s>"]
    cut = encoded([question_and_answer("what?", "word " * 50)], "plain", 32)
    assert cut.train.lengths[0] == 32
    assert cut.train.learned.sum() > 20


def test_conversations_have_digests_of_their_own(home):
    chats = [question_and_answer("a", "b")]
    one = make_text_data("n", make_chat_split(chats, {}), make_chat_split(chats, {}))
    plain = make_split(one.train.texts, {})
    assert one.digest != make_text_data("n", plain, plain).digest
    assert encoded(chats, "plain").digest != encoded(chats, "alpaca").digest


def test_a_template_is_needed_and_must_work(home):
    tokenizer = byte_tokenizer()
    with pytest.raises(ValueError, match=r"no chat template: set task.template to one of plain"):
        pick_template(None, tokenizer)
    with pytest.raises(ValueError, match="unknown template 'alpacca'; did you mean 'alpaca'"):
        pick_template("alpacca", tokenizer)
    tokenizer.chat_template = CHATML
    assert pick_template(None, tokenizer) == CHATML
    with pytest.raises(ValueError, match=r"the chat template fails: .*end of template"):
        render_chat(TURNS, "{% for m in messages %}", tokenizer)
    last = "{{ messages[-1]['content'] }}"
    with pytest.raises(ValueError, match="renders a prompt differently once it is answered"):
        render_chat(TURNS, last, tokenizer)


ROWS = [
    {"instruction": "Add.", "input": "1 + 1", "output": "002", "category": "sums"},
    {"instruction": "Say yes.", "input": "", "output": "None", "category": "talk"},
    {"instruction": "Nothing.", "input": "", "output": "", "category": "talk"},
] * 5


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_instructions_from_a_file_of_each_format(tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    frame = pd.DataFrame(ROWS)
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    data = make_task("instruct", path=str(path), test_fraction=0.2).load()
    assert (len(data.train), len(data.test)) == (8, 2)
    assert question_and_answer("Add.\n\n1 + 1", "002") in data.train.chats
    assert {chat[1]["content"] for chat in data.train.chats} == {"002", "None"}
    assert set(data.train.columns["category"]) == {"sums", "talk"}
    again = make_task("instruct", path=str(path), test_fraction=0.2, max_train_examples=3).load()
    assert len(again.train.chats) == len(again.train) == 3


def test_messages_from_a_file(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(json.dumps({"messages": TURNS, "lang": "en"}) for _ in range(4)))
    data = make_task("instruct", path=str(path), test_path=str(path)).load()
    assert data.train.chats == [TURNS] * 4
    assert data.train.texts[0].startswith("be brief\n\none?")
    assert list(data.train.columns["lang"]) == ["en"] * 4


def test_a_data_set_of_the_hub_library(tmp_path):
    import datasets

    splits = {"train": datasets.Dataset.from_list([{"messages": list(TURNS)}] * 3)}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    data = make_task("instruct", hub_id=str(tmp_path / "saved"), test_fraction=0.4).load()
    assert data.train.chats == [TURNS] * 2


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="requires either path, a file, or hub_id"):
        make_task("instruct")
    with pytest.raises(ValueError, match="task 'instruct' requires kind: causal-lm"):
        make_task("instruct", path="x.csv", kind="classification")
    with pytest.raises(ValueError, match="pack requires plain text"):
        make_task("instruct", path="x.csv", pack=True)
    with pytest.raises(ValueError, match="max_new_tokens must be at least 1"):
        make_task("news-instruct", max_new_tokens=0)
    with pytest.raises(ValueError, match=r"x has no conversations: .* \(columns: text\)"):
        chat_split(pd.DataFrame({"text": ["a"]}), "x")
    robot = pd.DataFrame({"messages": [[{"role": "robot", "content": "a"}]]})
    with pytest.raises(ValueError, match="x, row 0: a message requires a role of system"):
        chat_split(robot, "x")


def test_parts_of_a_message_are_joined(tmp_path):
    parts = [{"type": "text", "text": "one, "}, {"type": "text", "text": "two?", "other": None}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "3"}]
    frame = pd.DataFrame({"messages": [turns]})
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for path in (tmp_path / "a.jsonl", tmp_path / "a.parquet"):
        if path.suffix == ".parquet":
            turns[1]["content"] = [{"type": "text", "text": "3"}]  # one type in a column of Parquet
            pd.DataFrame({"messages": [turns]}).to_parquet(path)
        data = make_task("instruct", path=str(path), test_path=str(path)).load()
        assert data.train.chats == [question_and_answer("one, two?", "3")]
    assert chat_split(pd.read_parquet(tmp_path / "a.parquet"), "x").chats == data.train.chats


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "x.png"}},
        {"type": "image_url", "text": "a picture"},
        {"type": "text"},
        {"type": "text", "text": ["a"]},
        "text",
        None,
    ],
)
def test_other_parts_are_refused(part):
    turns = [{"role": "user", "content": [part]}, {"role": "assistant", "content": "a"}]
    with pytest.raises(ValueError, match=r"x, row 0: a part of a message is .* only text"):
        chat_split(pd.DataFrame({"messages": [turns]}), "x")


def test_contents_that_are_no_text_are_refused():
    for content in ({"a": 1}, b"a"):
        turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "a"}]
        with pytest.raises(ValueError, match="x, row 0: the content of a message is"):
            chat_split(pd.DataFrame({"messages": [turns]}), "x")


def test_news_stories_ask_for_their_topic(real_asset):
    real_asset("reuters-r8")
    data = make_task("news-instruct").load()
    assert (len(data.train), len(data.test)) == (5_485, 2_189)
    question, answer = data.test.chats[0]
    assert answer["content"] in question["content"]
    pairs = {
        (c[1]["content"], str(t))
        for c, t in zip(data.train.chats, data.train.columns["label"], strict=True)
    }
    assert len(pairs) == 8
    assert "label" in data.train.columns
    assert np.array_equal(
        data.test.columns["label"], make_task("reuters-r8").load().test.columns["label"]
    )
    assert "template" in TASKS.spec(make_task("news-instruct"))
