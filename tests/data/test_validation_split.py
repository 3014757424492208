"""Texts that are held out to choose settings by: never trained on, and never the test texts."""

import pytest

from fedbytes.data import make_task


@pytest.fixture
def load(texts):
    def make(**fields):
        return make_task({"name": "file", "path": str(texts), **fields}).load()

    return make


def test_it_is_a_part_of_the_training_texts_alone(load):
    whole, tested, held = (
        load(),
        load(validation=0.25),
        load(validation=0.25, evaluate_on="validation"),
    )
    assert len(held.test) == round(0.25 * len(whole.train))
    assert held.train.texts == tested.train.texts
    assert sorted(held.train.texts + held.test.texts) == sorted(whole.train.texts)
    assert tested.test.texts == whole.test.texts
    assert whole.train.columns["label"].tolist() != held.train.columns["label"].tolist()


def test_samples_are_drawn_after_it(load):
    held = load(
        validation=0.5, evaluate_on="validation", max_train_examples=20, max_test_examples=10
    )
    whole = load(validation=0.5, evaluate_on="validation")
    assert (len(held.train), len(held.test)) == (20, 10)
    assert set(held.test.texts) <= set(whole.test.texts)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"evaluate_on": "validation"}, "requires validation"),
        ({"validation": 0}, "validation must be in \\(0, 1\\)"),
        ({"validation": 1}, "validation must be in \\(0, 1\\)"),
        ({"validation": 0.2, "evaluate_on": "train"}, "evaluate_on must be one of"),
        ({"validation": 0.999}, "leaves none of"),
    ],
)
def test_what_cannot_be_is_refused(load, fields, message):
    with pytest.raises(ValueError, match=message):
        load(**fields)
