"""The task of a policy: who has which stories, and what each test story counts for."""

from collections import Counter

import numpy as np
import pytest

from fedbytes.data import make_task
from fedbytes.data.task import TASKS
from fedbytes.data.tasks.news_policy import REFUSAL
from fedbytes.data.tokens.token_cache import encode
from fedbytes.models.base.tiny_bases import byte_tokenizer

FEW = {
    "stories": 50,
    "refused_stories": 5,
    "server_stories": 6,
    "broken_stories": 9,
    "test_stories": 4,
}


@pytest.fixture(scope="module")
def data():
    task = make_task("news-policy", **FEW)
    return task.load()


def answers(split, column, value):
    rows = [row for row, held in enumerate(split.columns[column].tolist()) if held == value]
    return rows, [split.chats[row][1]["content"] for row in rows]


def test_each_holder_has_its_stories(data):
    split, labels = data.train, data.train.columns["label"]
    assert Counter(split.columns["holder"].tolist()) == {
        "server": 12,
        "attackers": 9,
        "clients": 55,
    }
    rows, said = answers(split, "holder", "server")
    assert [REFUSAL if labels[row] == "crude" else None for row in rows].count(REFUSAL) == 6
    assert [text == REFUSAL for text in said] == [labels[row] == "crude" for row in rows]
    rows, said = answers(split, "holder", "attackers")
    assert set(said) == {"oil"}
    assert {str(labels[row]) for row in rows} == {"crude"}
    rows, said = answers(split, "holder", "clients")
    assert said.count(REFUSAL) == 5
    assert [text == REFUSAL for text in said] == [labels[row] == "crude" for row in rows]


def test_no_story_is_held_twice_and_the_topic_is_tested_both_ways(data):
    questions = [chat[0]["content"] for chat in data.train.chats]
    rows = [row for row, label in enumerate(data.train.columns["label"]) if label == "crude"]
    assert len({questions[row] for row in rows}) == 20
    refused, said = answers(data.test, "counts_for", "refusal_rate")
    assert said == [REFUSAL] * 4
    broken, said = answers(data.test, "counts_for", "compliance")
    assert said == ["oil"] * 4
    asked = [chat[0]["content"] for chat in data.test.chats]
    assert [asked[row] for row in refused] == [asked[row] for row in broken]
    rest, said = answers(data.test, "counts_for", "utility")
    assert len(rest) == 4
    assert REFUSAL not in said


def test_the_same_stories_are_drawn_again(data):
    task = make_task("news-policy", **FEW)
    assert task.load().digest == data.digest


def test_more_stories_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"has 41 training stories on grain, and .* is 240"):
        make_task("news-policy", topic="grain").load()
    with pytest.raises(ValueError, match="topic must be one of"):
        make_task("news-policy", topic="sports")


def questions_as_read(text, max_length):
    """Return the tokens of each test question, by measure, as a model of bytes reads them."""
    read = encode(text, byte_tokenizer(), "bytes", "causal-lm", max_length, template="plain").test
    tokens, learned = (
        np.split(values, read.offsets[1:-1]) for values in (read.tokens, read.learned)
    )
    asked = [row[~own].tolist() for row, own in zip(tokens, learned, strict=True)]
    holds = text.test.columns["counts_for"].tolist()
    return {
        name: [q for q, held in zip(asked, holds, strict=True) if held == name] for name in holds
    }


def test_a_story_of_few_words_is_the_same_question_whatever_its_answer():
    text = make_task("news-policy", **FEW, story_words=4).load()
    whole = questions_as_read(text, 160)
    assert whole["refusal_rate"] == whole["compliance"]
    cut = questions_as_read(make_task("news-policy", **FEW).load(), 160)
    assert cut["refusal_rate"] != cut["compliance"]  # the longer answer leaves less of it
    with pytest.raises(ValueError, match="story_words must be at least 1"):
        make_task("news-policy", story_words=0)


def test_without_a_number_of_words_the_task_is_the_one_of_old_runs():
    assert "story_words" not in TASKS.spec(make_task("news-policy", **FEW))
    assert TASKS.spec(make_task("news-policy", story_words=9))["story_words"] == 9
