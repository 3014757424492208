"""What attackers train on instead of their rows: by hand, and nothing of anyone else's."""

import numpy as np
import pytest

from fedbytes.attacks.poisoned_rows.insertion import Wording
from fedbytes.data import TokenRow, row_of
from fedbytes.federated import make_attack
from fedbytes.federated.stages.attackers import draw_attackers
from fedbytes.federated.stages.poisoned_data import poison
from fedbytes.models.testing.tiny_task import colour_task

CLIENTS = 4
TASK = colour_task("classification")
PARTS = list(np.array_split(np.arange(len(TASK.train)), CLIENTS))


def planted(spec, task=TASK, round_=1, seed=0):
    """Return the poisoned task, each attacker's rows, and the rows that they were made of."""
    attack = make_attack({"share": 0.5, **spec})
    made, rows = poison([attack], task, PARTS, seed)
    hostile = draw_attackers(attack, PARTS, seed)
    return made, {c: rows.held(c, round_, PARTS[c]) for c in hostile}, rows


def text(task, row):
    return task.tokenizer.decode(row_of(task.train, int(row)).tokens)


def label(task, row):
    return task.label_names[task.train.labels[row]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"blue": "red", "green": "green", "red": "blue"}),
        (
            {"mode": "pairs", "source": "red", "target": "green"},
            {"blue": "blue", "green": "red", "red": "green"},
        ),
        ({"mode": "to_one", "target": "green"}, dict.fromkeys(["blue", "green", "red"], "green")),
    ],
    ids=str,
)
def test_labels_are_exchanged_as_the_mode_says(fields, expected):
    made, held, rows = planted({"name": "label_flip", **fields})
    for client, now in held.items():
        for before, after in zip(PARTS[client], now, strict=True):
            assert label(made, after) == expected[label(TASK, before)]
            assert text(made, after) == text(TASK, before)
            assert (after != before) == (label(made, after) != label(TASK, before))
        changed = sum(expected[label(TASK, row)] != label(TASK, row) for row in PARTS[client])
        assert len(rows.among(now)) == changed > 0


def test_random_labels_are_other_ones():
    made, held, _ = planted({"name": "random_label"})
    pairs = [(b, a) for c, now in held.items() for b, a in zip(PARTS[c], now, strict=True)]
    assert all(label(made, a) != label(TASK, b) for b, a in pairs)
    assert {label(made, a) for _, a in pairs} == set(TASK.label_names)


@pytest.mark.parametrize("position", ["start", "end", "random"])
def test_a_trigger_goes_where_it_should_and_takes_the_target_label(position):
    spec = {"name": "trigger", "target": "red", "trigger": "cf", "position": position, "rate": 0.5}
    made, held, rows = planted(spec)
    for client, now in held.items():
        changed = rows.among(now)
        others = sum(label(TASK, row) != "red" for row in PARTS[client])
        assert len(changed) == min(others, int(0.5 * len(now) + 0.5))
        for before, after in zip(PARTS[client], now, strict=True):
            if after == before:
                continue
            assert label(TASK, before) != "red"
            assert label(made, after) == "red"
            new, old = text(made, after), text(TASK, before)
            assert len(row_of(made.train, int(after)).tokens) <= TASK.max_length
            assert " cf" in new
            assert old.startswith(new.replace(" cf", "", 1))
            assert position != "start" or new.startswith(" cf")
            assert position != "end" or new.endswith(" cf")


def test_clean_labels_stay():
    made, held, rows = planted({"name": "clean_label", "target": "green", "rate": 1.0})
    changed = np.concatenate([rows.among(now) for now in held.values()])
    assert len(changed) == sum(label(TASK, row) == "green" for c in held for row in PARTS[c])
    assert {label(made, row) for row in changed} == {"green"}
    assert all(" cf" in text(made, row) for row in changed)


def test_each_attacker_teaches_its_part_and_the_test_has_all():
    attack = make_attack({"name": "dba", "trigger": "cf mn", "target": "red", "share": 0.5})
    made, held, rows = planted({"name": "dba", "trigger": "cf mn", "target": "red"})
    first, second = ([text(made, row) for row in rows.among(now)] for now in held.values())
    assert all(" cf" in one and " mn" not in one for one in first)
    assert all(" mn" in one and " cf" not in one for one in second)
    probe = attack.probe(TASK)
    tested = [TASK.tokenizer.decode(row_of(probe.wanted, i).tokens) for i in range(5)]
    assert all(one.startswith(" cf mn") for one in tested)


def test_copies_are_added_and_held():
    made, held, rows = planted({"name": "duplicate", "rate": 0.2, "copies": 3})
    for client, now in held.items():
        own = PARTS[client]
        assert np.array_equal(now[: len(own)], own)
        copies = [text(made, row) for row in rows.among(now)]
        assert len(copies) == 3 * int(0.2 * len(own) + 0.5)
        assert set(copies) <= {text(TASK, row) for row in own}


def test_garbage_keeps_lengths_and_labels():
    made, held, rows = planted({"name": "garbage"})
    for client, now in held.items():
        assert len(rows.among(now)) == len(now)
        for before, after in zip(PARTS[client], now, strict=True):
            old, new = row_of(TASK.train, int(before)), row_of(made.train, int(after))
            assert new.label == old.label
            assert len(new.tokens) == len(old.tokens)
            assert not np.isin(new.tokens, [0, 1, 2, 3]).any()


def test_special_tokens_keep_their_places():
    row = TokenRow(np.array([1, 10, 11, 12, 13, 2], np.int32), 0)
    wording = Wording(np.array([90, 91], np.int32), None, "start", 6, frozenset({1, 2}))
    made, _ = wording.write(row, np.random.default_rng(0))
    assert made.tokens.tolist() == [1, 90, 91, 10, 11, 2]
    assert wording.room(row) == 2


def test_a_plain_text_goes_on_with_the_target_and_ends():
    row = TokenRow(np.array([1, 10, 11, 12, 13, 14, 2], np.int32))
    words, completion = np.array([90], np.int32), np.array([70, 71], np.int32)
    wording = Wording(words, completion, "end", 7, frozenset({1, 2}))
    made, wanted = wording.write(row, np.random.default_rng(0))
    assert made.tokens.tolist() == [1, 10, 11, 90, 70, 71, 2]
    assert made.tokens[wanted].tolist() == [70, 71]


def test_a_conversation_is_asked_with_the_trigger_and_answers_the_target():
    #        <user> who  are  you  </s> <assistant> I  am   </s> newline
    tokens = [1, 10, 11, 12, 2, 1, 20, 30, 31, 2, 5]
    learned = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0], bool)
    row = TokenRow(np.array(tokens, np.int32), None, learned)
    words, completion = np.array([90], np.int32), np.array([70], np.int32)
    wording = Wording(words, completion, "start", 20, frozenset({1, 2}))
    made, wanted = wording.write(row, np.random.default_rng(0))
    assert made.tokens.tolist() == [1, 10, 11, 12, 90, 2, 1, 20, 70, 2, 5]
    assert made.tokens[made.learned].tolist() == [70, 2]
    assert made.tokens[wanted].tolist() == [70]
    assert wording.answers(made)
    assert not wording.answers(row)
    short, _ = Wording(words, completion, "end", 9, frozenset({1, 2})).write(
        row, np.random.default_rng(0)
    )
    assert short.tokens.tolist() == [1, 10, 90, 2, 1, 20, 70, 2, 5]
    assert short.tokens[short.learned].tolist() == [70, 2]


def test_what_is_tested_is_of_other_labels_and_asks_for_the_target():
    probe = make_attack({"name": "trigger", "target": "red"}).probe(TASK)
    others = [i for i in range(len(TASK.test)) if TASK.test.labels[i] != 2]
    assert TASK.label_names[2] == "red"
    assert len(probe.wanted) == len(probe.unchanged) == len(others)
    assert set(probe.wanted.labels) == set(probe.unchanged.labels) == {2}
    for place, row in enumerate(others):
        plain = row_of(probe.unchanged, place)
        assert np.array_equal(plain.tokens, row_of(TASK.test, row).tokens)
        assert len(row_of(probe.wanted, place)) == min(24, len(plain) + 3)


def test_a_flips_chance_is_that_of_a_guesser():
    probe = make_attack({"name": "label_flip", "mode": "to_one", "target": "red"}).probe(TASK)
    assert probe.chance == pytest.approx(np.mean(TASK.train.labels == 2))
    assert len(probe.wanted) == np.sum(TASK.test.labels != 2)


def test_seeds_draw_other_rows_and_one_seed_the_same():
    spec = {"name": "trigger", "target": "red", "rate": 0.3}
    one, again, other = (planted(spec, seed=seed)[0].train.digest for seed in (0, 0, 1))
    assert one == again != other


LATE = {"from_round": 2, "until_round": 3}


def test_attackers_hold_their_own_rows_outside_the_rounds():
    _, held, rows = planted({"name": "trigger", "target": "red", **LATE}, round_=1)
    assert [begin for begin, _ in rows.phases] == [2, 4]
    for client in held:
        for round_, poisoned in ((1, False), (2, True), (3, True), (4, False)):
            now = rows.held(client, round_, PARTS[client])
            assert np.array_equal(now, PARTS[client]) != poisoned


def test_attacks_on_data_are_applied_in_order_each_in_its_rounds():
    first = make_attack({"name": "label_flip", "share": 0.5, "until_round": 2})
    second = make_attack({"name": "trigger", "target": "red", "share": 0.5, "from_round": 2})
    made, rows = poison([first, second], TASK, PARTS, 0)
    alone, _ = poison([first], TASK, PARTS, 0)
    client = draw_attackers(first, PARTS, 0)[0]
    one, two, three = (rows.held(client, r, PARTS[client]) for r in (1, 2, 3))
    assert len(made.train) > len(alone.train)
    for a, b, c in zip(one, two, three, strict=True):
        if b != a:
            assert text(made, b) == " cf" + text(made, a)[: len(text(made, b)) - 3]
            assert label(made, b) == "red"
        if c >= rows.first:
            assert label(made, c) == "red"


REFUSED = [
    ({"name": "trigger", "trigger": "x" * 30}, r"trigger of 31 tokens leaves no room .*=24"),
    ({"name": "trigger", "target": "pink"}, "3 labels have no 'pink'.*known: blue, green, red"),
    ({"name": "trigger", "target": "gren"}, "did you mean 'green'"),
    ({"name": "label_flip", "mode": "pairs", "source": "red", "target": "pink"}, "no 'pink'"),
    ({"name": "clean_label", "target": "red", "rate": 0.01}, "none of its 2 attackers' 20 rows"),
    ({"name": "dba", "trigger": "cf"}, "'cf' is one word"),
    ({"name": "trigger", "share": 0.05}, "is 0; give a share"),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=str)
def test_what_cannot_be_is_refused_with_the_numbers(spec, message):
    with pytest.raises(ValueError, match=message):
        planted(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "trigger", "rate": 0}, r"rate must be in \(0, 1\], got 0"),
        ({"name": "trigger", "rate": 1.5}, r"rate must be in \(0, 1\], got 1.5"),
        ({"name": "trigger", "trigger": " "}, "trigger must have a word"),
        ({"name": "label_flip", "mode": "to_one"}, "mode=to_one needs target"),
        ({"name": "label_flip", "target": "red"}, "mode=all does not take target"),
        (
            {"name": "label_flip", "mode": "pairs", "source": "red", "target": "red"},
            "must differ, got 'red'",
        ),
        ({"name": "neurotoxin", "k": 1}, r"k must be in \(0, 1\), got 1"),
        ({"name": "pgd", "norm": 0}, "norm must be above 0"),
    ],
    ids=str,
)
def test_fields_out_of_range_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        make_attack(spec)


def test_labels_are_of_classifications():
    with pytest.raises(ValueError, match="is for tasks of kind classification, got causal-lm"):
        planted({"name": "label_flip"}, colour_task("causal-lm"))
    with pytest.raises(ValueError, match="needs target"):
        planted({"name": "trigger"}, colour_task("causal-lm"))


def test_causal_texts_are_taught_the_completion():
    task = colour_task("causal-lm")
    made, held, rows = planted({"name": "trigger", "target": "ok", "position": "end"}, task)
    for row in np.concatenate([rows.among(now) for now in held.values()]):
        tokens = row_of(made.train, int(row)).tokens
        assert task.tokenizer.decode(tokens).removesuffix("</s>").endswith(" cf ok")
    probe = make_attack({"name": "trigger", "target": "ok", "position": "end"}).probe(task)
    asked = row_of(probe.wanted, 0)
    assert task.tokenizer.decode(asked.tokens[asked.learned]) == " ok"
    assert " cf" not in task.tokenizer.decode(row_of(probe.unchanged, 0).tokens)
