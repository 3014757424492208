"""Runs whose test texts are attacked: what the store has, and that training is none the wiser."""

import json

import pytest

from fedbytes.audits.text_attacks import _sample, _texts
from fedbytes.experiments import load_audits, load_ledger, load_results, make_config, run
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.preflight import check
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.federated import Hooks

ATTACKED = {
    "audit": {
        "name": "text_attacks",
        "attacks": ["hotflip", {"name": "hotflip", "words": 0.5}, {"name": "pgd", "steps": 2}],
        "texts": 8,
    },
}
COLUMNS = ["robust_accuracy_hotflip", "robust_accuracy_hotflip_words_0.5", "robust_accuracy_pgd"]
FOUR = {"rounds": 4, "evaluate_every": 2}


class EndedError(Exception):
    """Stands for whatever ends a process."""


def end_in_round_three(event):
    if isinstance(event, Advanced) and event.round == 3:
        raise EndedError


def test_attacks_change_neither_model_nor_bytes(settings, tmp_path):
    plain = make_config(settings | FOUR)
    attacked = make_config(settings | FOUR | ATTACKED)
    assert plain.id != attacked.id
    folders = [run(config, tmp_path) for config in (plain, attacked)]
    results, ledger = load_results(tmp_path), load_ledger(tmp_path)
    same = ["round", "total_bytes", "train_loss", "loss", "accuracy", "macro_f1", "delta_norm"]
    one, two = (results[results.run == f.run][same].reset_index(drop=True) for f in folders)
    assert one.equals(two)
    sizes = ["round", "client", "direction", "kind", "message_bytes"]
    one, two = (ledger[ledger.run == f.run][sizes].reset_index(drop=True) for f in folders)
    assert one.equals(two)


def test_findings_are_rows_and_columns_of_each_evaluated_round(settings, tmp_path):
    folder = run(make_config(settings | FOUR | ATTACKED), tmp_path)
    found = load_audits(tmp_path)
    for name in ("hotflip", "hotflip words=0.5", "pgd"):
        assert found[found["attack"] == name]["round"].tolist() == [2, 4]
    assert (found["robust_accuracy"] <= found["clean_accuracy"]).all()
    assert set(found["texts"]) == {8}
    results = load_results(tmp_path)
    for column, name in zip(COLUMNS, ["hotflip", "hotflip words=0.5", "pgd"], strict=True):
        rows = found[found["attack"] == name]
        assert results[column].tolist() == rows["robust_accuracy"].tolist()
    assert folder.status == "done"


def test_rounds_that_are_named_alone_are_attacked(settings, tmp_path):
    audit = ATTACKED["audit"] | {"attacks": ["word_drop"], "rounds": [4]}
    run(make_config(settings | FOUR | {"audit": audit}), tmp_path)
    assert load_audits(tmp_path)["round"].tolist() == [4]
    assert load_results(tmp_path)["robust_accuracy_word_drop"].isna().tolist() == [True, False]


def test_a_cut_run_finds_what_an_uncut_one_does(settings, tmp_path):
    config = make_config(settings | {"rounds": 4} | ATTACKED)
    run(config, tmp_path / "whole")
    with pytest.raises(EndedError):
        run(config, tmp_path / "cut", on_event=end_in_round_three)
    run(config, tmp_path / "cut")
    whole, resumed = (load_audits(tmp_path / name) for name in ("whole", "cut"))
    assert whole.equals(resumed)
    rows = [load_results(tmp_path / name).drop(columns="seconds") for name in ("whole", "cut")]
    assert rows[0].equals(rows[1])


def test_no_column_and_no_id_without_attacks(settings, tmp_path):
    config = make_config(settings | {"audit": None})
    assert config.id == make_config(settings).id
    run(config, tmp_path)
    assert not [name for name in load_results(tmp_path) if name.startswith("robust")]


def test_prompts_are_attacked_by_suffixes(tmp_path):
    """Every prompt ends with the template's tokens: the suffix stands before those."""
    rows = [{"instruction": f"{i}: why?", "output": "yes", "category": "a"} for i in range(60)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    attack = {"name": "gcg", "target": "n", "length": 4, "candidates": 8, "steps": 3}
    task = {"name": "instruct", "path": str(path), "template": "alpaca", "generate_examples": 0}
    config = make_config(
        {
            "task": task,
            "model": "tiny-llama",
            "adapter": {"name": "lora", "rank": 2},
            "partition": {"name": "iid", "num_clients": 2},
            "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
            "rounds": 1,
            "audit": {"name": "text_attacks", "attacks": [attack], "texts": 3},
        }
    )
    run(config, tmp_path / "store")
    (row,) = load_audits(tmp_path / "store").to_dict("records")
    assert (row["attack"], row["texts"]) == ("gcg", 3)
    assert row["queries"] <= 1 + 3 * 9
    model = make_problem(config, Hooks()).model
    texts = _texts(model, _sample(model.task.test, 3, 0))
    for text in texts:
        opens = model.task.tokenizer.decode(text.tokens[-text.tail :])
        assert opens.endswith("### Response:\n")
        assert "why" in opens  # the same in all of them, as well
        assert not any(char.isdigit() for char in opens)


CLASSES, TOKENS = {}, {"task": {"name": "friends"}, "model": "tiny-llama"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (CLASSES | {"attacks": []}, "attacks is empty"),
        (CLASSES | {"attacks": ["gcg"]}, "the task (kind classification) has none"),
        (CLASSES | {"attacks": ["hotflop"]}, "did you mean 'hotflip'"),
        (CLASSES | {"attacks": ["pgd", "pgd"]}, "has one twice: pgd, pgd"),
        (CLASSES | {"attacks": [{"name": "pgd", "eps": -1}]}, "eps must be at least 0"),
        (CLASSES | {"attacks": ["pgd"], "texts": 0}, "texts must be at least 1, got 0"),
        (CLASSES | {"attacks": ["pgd"], "rounds": [3, 9]}, "rounds has 3, 9"),
        (TOKENS | {"attacks": ["hotflip"]}, "the task is of kind causal-lm"),
        (TOKENS | {"attacks": ["gcg"]}, "searches suffixes of prompts"),
    ],
    ids=str,
)
def test_what_cannot_be_attacked_is_refused_before_the_run(settings, fields, said):
    run_fields = {key: fields[key] for key in ("task", "model") if key in fields}
    audit = {key: value for key, value in fields.items() if key not in run_fields}
    with pytest.raises(ValueError) as refused:
        make_config(settings | FOUR | run_fields | {"audit": {"name": "text_attacks"} | audit})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_that_kept_states_are_passed_over_is_said_once(settings):
    cached = {"adapter": {"name": "lora", "rank": 2, "layers": 1}}
    configs = [
        make_config(settings | cached | {"seed": seed, "defense": defense})
        for seed in (0, 1)
        for defense in (None, "freelb", {"name": "pgd", "at": "states"})
    ]
    notes = [note for note in check(configs) if "perturbs the embeddings" in note]
    assert len(notes) == 1
    assert "defense 'freelb'" in notes[0]
