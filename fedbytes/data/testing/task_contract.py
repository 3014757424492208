"""The contract of every task, as checks that also run on plug-ins of your own."""

import copy
from dataclasses import replace

import numpy as np

from fedbytes.data.chat_task import ChatTask
from fedbytes.data.task import TASKS, Task
from fedbytes.data.text_data import Split, TextData
from fedbytes.data.tokens.encoded import EncodedTask
from fedbytes.data.tokens.token_cache import encode
from fedbytes.data.tokens.tokenizer_training import tokenizer_digest, trained_tokenizer
from fedbytes.testing import (
    Check,
    Finding,
    check_spec,
    no_global_random,
    require,
    run_checks,
)

ENCODED, VOCABULARY = 64, 300
"""Examples that are encoded, and the tokens of the tokenizer that is trained on them."""


def check_task(task: Task) -> list[Finding]:
    """Run every contract check over a task; its texts are loaded, a few of them are encoded.

    Args:
        task: any instance, registered or not, with the fields that it needs to find its texts.
    """
    try:
        data = task.load()
    except Exception as error:  # a finding, whatever a user's code raises
        return [Finding("loads", False, f"{type(error).__name__}: {error}")]
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(TASKS, task)),
        ("loads", lambda: _check_texts(data)),
        ("columns are consistent", lambda: _check_columns(task, data)),
        ("conversations are whole", lambda: _check_chats(task, data)),
        ("loads the same again", lambda: _check_again(task, data)),
        ("draws as many examples as asked", lambda: _check_subsample(task, data)),
        ("its texts become tokens", lambda: _check_tokens(task, data)),
    ]
    return run_checks(checks)


def _splits(data: TextData) -> tuple[tuple[str, Split], ...]:
    return ("train", data.train), ("test", data.test)


def _check_texts(data: TextData) -> str:
    for name, split in _splits(data):
        require(len(split) > 0, f"{name} has no examples")
        bad = next((text for text in split.texts if not isinstance(text, str)), None)
        require(bad is None, f"{name} has a text of type {type(bad).__name__}")
        empty = sum(not text.strip() for text in split.texts)
        require(empty < len(split), f"all texts of {name} are empty")
    return f"{len(data.train)} train and {len(data.test)} test examples"


def _check_columns(task: Task, data: TextData) -> str:
    train, test = data.train.columns, data.test.columns
    require(set(train) == set(test), f"columns of train {sorted(train)}, of test {sorted(test)}")
    require("length" in train, "there is no column 'length': make splits with make_split")
    for name, split in _splits(data):
        for key, column in split.columns.items():
            shape = np.shape(column)
            require(shape == (len(split),), f"{name} {key} has shape {shape} for {len(split)}")
            missing = sum(value is None or value != value for value in column.tolist())
            require(missing == 0, f"{name} {key}: {missing} values are missing")
    if task.kind != "classification":
        return ", ".join(train)
    require("label" in train, f"a classification has no column 'label': {', '.join(train)}")
    labels = [set(map(str, columns["label"].tolist())) for columns in (train, test)]
    require(len(labels[0]) > 1, f"all training examples have the label {labels[0]}")
    unseen = sorted(labels[1] - labels[0])
    require(not unseen, f"test labels that no training example has: {', '.join(unseen[:5])}")
    return f"{', '.join(train)}; {len(labels[0])} labels"


def _check_chats(task: Task, data: TextData) -> str:
    for name, split in _splits(data):
        if not isinstance(task, ChatTask):
            require(split.chats is None, f"{name} has chats: derive the task from ChatTask")
            continue
        chats = split.chats
        require(chats is not None and len(chats) == len(split), f"{name}: one chat per text needed")
        for chat in chats or ():
            keys = all({"role", "content"} <= set(message) for message in chat)
            require(bool(chat) and keys, f"{name}: {chat!r} is no list of role and content")
            answers = any(message["role"] == "assistant" for message in chat)
            require(answers, f"{name}: a conversation has no answer: {chat!r}")
    return "none" if data.train.chats is None else f"{len(data.train.chats)} to train on"


def _check_again(task: Task, data: TextData) -> str:
    with no_global_random():
        again = copy.deepcopy(task).load()
    require(again.digest == data.digest, "texts or labels differ the second time")
    for (name, one), (_, two) in zip(_splits(data), _splits(again), strict=True):
        for key, column in one.columns.items():
            same = key in two.columns and np.array_equal(column, two.columns[key])
            require(same, f"{name} {key} differs the second time")
    return data.digest[:16]


def _check_subsample(task: Task, data: TextData) -> str:
    wanted = max(1, len(data.train) // 2), max(1, len(data.test) // 2)
    fewer = replace(task, max_train_examples=wanted[0], max_test_examples=wanted[1]).load()
    found = len(fewer.train), len(fewer.test)
    require(found == wanted, f"asked for {wanted} train and test examples, got {found}")
    return f"{found[0]} and {found[1]}"


def _check_tokens(task: Task, data: TextData) -> str:
    few = replace(task, max_train_examples=ENCODED, max_test_examples=ENCODED)
    encoded = _encoded(few)
    for split in (encoded.train, encoded.test):
        require(len(split.tokens) > 0, f"no tokens in {split.name}")
    return f"{len(encoded.train.tokens)} tokens of {min(ENCODED, len(data.train))} examples"


def _encoded(task: Task) -> EncodedTask:
    data = task.load()
    tokenizer = trained_tokenizer(data, VOCABULARY)
    digest = tokenizer_digest(tokenizer)
    template = task.template if isinstance(task, ChatTask) else None
    pack = task.pack and not isinstance(task, ChatTask)
    return encode(data, tokenizer, digest, task.kind, task.max_length, pack, template)
