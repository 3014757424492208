"""What is known to go wrong from a configuration is refused before the first round, in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import load_results
from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.preflight import check
from fedbytes.experiments.execution.runner import run

LLAMA = {"name": "tiny-llama", "device": "cpu"}


def refusal(settings: dict[str, Any]) -> str:
    """Return why a run of these settings is refused before it begins."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        check([make_config(settings)])
    message = str(caught.value)
    assert "\n" not in message
    return message


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def long_texts(tmp_path):
    """The configuration of a task with texts of 700 tokens, where tiny models read 512."""
    rows = [{"text": "x" * 700, "label": "ab"[i % 2]} for i in range(20)]
    path = write_rows(tmp_path / "long.jsonl", rows)
    return {"name": "file", "path": str(path), "max_length": 512}


def chats(path: Path, rows: list[Any], **fields: Any) -> dict[str, Any]:
    """Return the configuration of an instruction task on rows written to `path`."""
    task = {"name": "instruct", "path": str(write_rows(path, rows)), "template": "plain"}
    return task | {"max_length": 64, "generate_examples": 2, "max_new_tokens": 4} | fields


IID = {"partition": {"name": "iid", "num_clients": 2}}


ANSWERED = [{"instruction": f"question {i}", "output": f"answer {i}"} for i in range(20)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adapter": {"name": "lora", "rank": 33}}, "set adapter.rank to at most 16"),
        ({"adapter": {"name": "dora", "rank": 33}}, "set adapter.rank to at most 16"),
        ({"adapter": {"name": "lora", "alpha": float("inf")}}, "alpha must be above 0 and finite"),
        ({"adapter": {"name": "lora", "targets": []}}, "targets is empty"),
        ({"adapter": {"name": "vera", "d_initial": float("nan")}}, "d_initial must be finite"),
        ({"seed": 2**64}, "seed: must be less than 18446744073709551616"),
        ({"model": {"name": "tiny-llama", "device": "meta"}}, "computes no values: use cpu"),
    ],
    ids=str,
)
def test_values_out_of_range(settings, changes, message):
    assert message in refusal(settings | {"model": LLAMA} | changes)


def test_the_largest_seed_makes_a_run(settings, tmp_path):
    small = {"seed": 2**64 - 1, "initial": "seed", "rounds": 1, "evaluate_every": 1}
    run(make_config(settings | small), tmp_path)
    assert len(load_results(tmp_path)) == 1


@pytest.mark.parametrize("algorithm", ["fedavg", "fedprox", "diloco", "decomfl", "fedkseed"])
def test_words_are_not_trained_as_numbers(settings, algorithm):
    steps = {"name": algorithm, "local_steps": 1}
    words = {"adapter": {"name": "discrete_prompt"}, "model": LLAMA, "algorithm": steps}
    causal = {"task": settings["task"] | {"kind": "causal-lm"}}
    assert "algorithm.name=prompt_search" in refusal(settings | causal | words)


@pytest.mark.parametrize("name", ["fedavg", "fedit", "flora"])
def test_an_optimiser_that_the_device_cannot_run(settings, name):
    pytest.importorskip("bitsandbytes")
    paged = {"name": name, "local_steps": 1, "optimizer": "paged_adamw8bit"}
    on_cpu = {"model": LLAMA, "algorithm": paged}
    assert "needs cuda, not cpu: use adamw8bit" in refusal(settings | on_cpu)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ({"name": "prompt_tuning", "length": 600}, "a prompt of 600 tokens leaves no room"),
        ({"name": "prefix_tuning", "length": 600}, "a prompt of 600 tokens leaves no room"),
        ({"name": "p_tuning", "length": 12}, "set task.max_length=500"),
    ],
    ids=str,
)
def test_prompts_and_texts_that_do_not_fit_into_the_positions(
    settings, long_texts, adapter, message
):
    asked = {"task": long_texts, "adapter": adapter}
    assert message in refusal(settings | asked)
    check([make_config(settings | {"task": long_texts})])  # alone the texts fit


@pytest.mark.parametrize("model", ["tiny-bert", "tiny-llama"])
def test_texts_longer_than_the_positions(settings, long_texts, model):
    task = long_texts | {"max_length": 1000}
    message = refusal(settings | {"task": task, "model": {"name": model}})
    assert "texts of 700 tokens exceed" in message.replace("702", "700")
    assert "512 positions: set task.max_length=512" in message


def test_a_question_takes_positions(settings, long_texts):
    words = {"name": "tiny-llama", "head": "words", "question": "y" * 12}
    message = refusal(settings | {"task": long_texts, "model": words})
    assert "texts of 512 tokens and a question of 13 exceed" in message
    assert "task.max_length=499" in message


def test_an_empty_word(settings):
    words = LLAMA | {"head": "words", "words": "a,b,"}
    assert "contains an empty word" in refusal(settings | {"model": words})


def test_tokens_that_were_kept_are_refused_again(settings, tmp_path):
    task = chats(tmp_path / "chats.jsonl", ANSWERED, template="{{ 1 }}")
    for _ in range(2):
        assert "omits answers" in refusal(settings | IID | {"task": task, "model": LLAMA})


def test_answers_take_positions(settings, tmp_path):
    task = chats(tmp_path / "chats.jsonl", ANSWERED, max_new_tokens=500)
    message = refusal(settings | IID | {"task": task, "model": LLAMA})
    assert "answers of 500 exceed the model's 512 positions" in message
    fitting = int(message.split("task.max_new_tokens=")[1].split(",")[0])
    task |= {"max_new_tokens": fitting}
    check([make_config(settings | IID | {"task": task, "model": LLAMA})])


def test_conversations_without_a_column_to_split_by(settings, tmp_path):
    task = chats(tmp_path / "chats.jsonl", ANSWERED)
    instruct = settings | {"task": task, "model": LLAMA, "clients_per_round": None}
    assert "partition.name=iid" in refusal(instruct)
    for name in ("iid", "quantity"):
        check([make_config(instruct | {"partition": {"name": name, "num_clients": 2}})])


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        ([], {}, "has no rows"),
        ([{"instruction": "q"}] * 9, {}, "it requires a column messages, or instruction"),
        ([{"instruction": "q", "output": ""}] * 9, {}, "none of 9 conversations has an answer"),
        ([{"messages": 5}] * 9, {}, "row 0: messages must be a list, got '5'"),
        (ANSWERED[:1], {}, "leaves nothing to test on: provide more examples"),
        (ANSWERED, {"template": "{{ 1 }}"}, "the chat template omits answers"),
        (ANSWERED, {"max_length": 2}, "task.max_length=2 is too small"),
        (ANSWERED, {"template": None}, "set task.template to one of plain, alpaca"),
    ],
    ids=str,
)
def test_conversations_without_anything_to_learn(settings, tmp_path, rows, fields, message):
    task = chats(tmp_path / "chats.jsonl", rows, **fields)
    assert message in refusal(settings | {"task": task, "model": LLAMA})


def test_a_class_alone_and_a_file_without_rows(settings, tmp_path):
    one = write_rows(tmp_path / "one.jsonl", [{"text": "x", "label": "a"}] * 9)
    assert "only one class, 'a'" in refusal(settings | {"task": {"name": "file", "path": str(one)}})
    none = write_rows(tmp_path / "none.jsonl", [])
    assert "has no rows" in refusal(settings | {"task": {"name": "file", "path": str(none)}})


def test_a_model_folder_without_a_tokenizer(settings, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    message = refusal(settings | {"model": {"name": str(tmp_path)}})
    assert "has no tokenizer" in message
