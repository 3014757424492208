"""What a user should know of the data goes with it to the run."""

from dataclasses import dataclass

from fedbytes.data import Task, encode, make_split, make_text_data
from fedbytes.models.base.tiny_bases import byte_tokenizer


@dataclass(frozen=True)
class Noted(Task):
    name = "noted"

    def read(self):
        split = make_split(["one", "two", "one"], {"label": ["a", "b", "a"]})
        return make_text_data("noted", split, split, notes=["a row was left out"])


def label_notes(train, test, kind="classification"):
    splits = [make_split(labels, {"label": labels}) for labels in (train, test)]
    return encode(make_text_data("my", *splits), byte_tokenizer(), "t", kind, 8).notes


def test_labels_of_one_split_alone_are_said(home):
    assert label_notes(["a", "b"], ["b", "a"]) == ()
    assert label_notes(["a", "b"], ["c", "a"]) == (
        "my: 1 of 3 labels only in the train examples: 'b'",
        "my: 1 of 3 labels only in the test examples: 'c'",
    )
    many = label_notes([f"l{i}" for i in range(9)], ["l0"])
    assert many == (
        "my: 8 of 9 labels only in the train examples: 'l1', 'l2', 'l3', 'l4', 'l5', and 3 more",
    )


def test_labels_that_are_not_learned_are_not_compared(home):
    assert label_notes(["a", "b"], ["c"], "causal-lm") == ()


def test_notes_stay_with_a_sample():
    assert Noted(max_train_examples=2).load().notes == ("a row was left out",)
