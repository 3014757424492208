"""Tasks keep the contract, and the contract finds one fault at a time."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from fedbytes.data import Split, Task, check_task, make_split, make_task, make_text_data
from fedbytes.data.chat_task import ChatTask


def test_tables_texts_and_conversations_keep_the_contract(texts, tmp_path):
    book, chats = tmp_path / "book.txt", tmp_path / "chats.jsonl"
    book.write_text("\n\n".join(f"paragraph {i} of the book" for i in range(40)))
    chats.write_text(
        "\n".join(json.dumps({"prompt": f"what is {i}?", "response": f"{i}!"}) for i in range(40))
    )
    for task in (
        make_task("file", path=str(texts), max_length=32),
        make_task("text", path=str(book), documents="paragraph"),
        make_task("text", path=str(book), documents="paragraph", pack=True, max_length=16),
        make_task("instruct", path=str(chats), template="plain"),
    ):
        findings = check_task(task)
        assert len(findings) >= 7
        assert [found for found in findings if not found.passed] == []


@dataclass(frozen=True)
class Broken(Task):
    fault: str = "none"
    name = "broken"

    def read(self):
        words = np.array(["cat", "dog"] * 20)
        if self.fault == "one label":
            words = np.array(["cat"] * 40)
        if self.fault == "other order":
            words = np.random.default_rng().permutation(words)
        if self.fault == "global":
            np.random.rand()  # noqa: NPY002
        columns = {"label": words} if self.fault != "no label" else {}
        texts = [f"a {word}" for word in words]
        train, test = make_split(texts, columns), make_split(texts[:8], columns and
                                                             {"label": words[:8]})  # fmt: skip
        if self.fault == "unseen":
            test = make_split(["a cow"], {"label": ["cow"]})
        if self.fault == "missing":
            train = make_split(texts, {"label": words, "age": [np.nan] * 40})
            test = make_split(texts, {"label": words, "age": [1.0] * 40})
        if self.fault == "columns":
            train = make_split(texts, {"label": words, "author": words})
        if self.fault == "bare":
            train = Split(texts, {"label": words})
            test = Split(texts, {"label": words})
        if self.fault == "blank":
            train = make_split([" "] * 40, {"label": words})
        return make_text_data("animals", train, test)

    def load(self):
        return self.read() if self.fault == "all" else super().load()


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("none", ""),
        ("one label", "columns"),
        ("no label", "columns"),
        ("unseen", "columns"),
        ("missing", "columns"),
        ("columns", "columns"),
        ("bare", "columns"),
        ("blank", "loads"),
        ("other order", "the same again"),
        ("global", "the same again"),
        ("all", "as many examples"),
    ],
)
def test_faults_are_found(fault, where):
    failed = [found for found in check_task(Broken(fault=fault)) if not found.passed]
    assert bool(failed) == bool(where), failed
    assert any(where in found.property for found in failed) or not where, failed


def test_a_chat_without_an_answer_is_found():
    @dataclass(frozen=True)
    class Silent(ChatTask):
        def read(self):
            chats = [({"role": "user", "content": "anyone?"},)] * 4
            split = make_split(["anyone?"] * 4, {}, chats)
            return make_text_data("silent", split, split)

    failed = {found.property: found.message for found in check_task(Silent(template="plain"))
              if not found.passed}  # fmt: skip
    assert "no answer" in failed["conversations are whole"]


def test_a_source_that_does_not_load_is_one_finding():
    (found,) = check_task(make_task("file", path="no/such.csv"))
    assert not found.passed
    assert "no/such.csv" in found.message
