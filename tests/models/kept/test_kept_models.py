"""What was trained is read back from its folder as it was, in every form that an adapter has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedbytes.models import ADAPTERS, load_kept, make_adapter, write_model
from fedbytes.models.batching import make_batch
from fedbytes.models.kept.facts import write_facts
from fedbytes.models.testing.tiny_task import colour_texts, on_cpu, tiny_model_of

CASES: tuple[tuple[str, Any, Any, str], ...] = (
    ("tiny-bert", {"name": "lora", "train": "b"}, "classification", "peft"),
    ("tiny-bert", "dora", "classification", "merged"),
    ("tiny-bert", "ia3", "classification", "peft"),
    ("tiny-bert", "lora_xs", "classification", "merged"),
    ("tiny-bert", "bitfit", "classification", "merged"),
    ("tiny-bert", "head", "classification", "own"),
    ("tiny-bert", {"name": "peft", "method": "LOHA"}, "classification", "merged"),
    ("tiny-llama", "lora", "classification", "peft"),
    ("tiny-llama", "prefix_tuning", "classification", "own"),
    ("tiny-llama", "vera", "causal-lm", "peft"),
    ("tiny-llama", "full", "causal-lm", "merged"),
    ("tiny-llama", "prompt_tuning", "causal-lm", "own"),
)


def trained(model: str, adapter: Any, kind: Any) -> Any:
    found = tiny_model_of(model, adapter, kind)
    drawn = torch.randn(found.layout.numel, generator=torch.Generator().manual_seed(1))
    found.set_state(found.initial_state + 0.05 * drawn)
    return found


@pytest.mark.parametrize(("model", "adapter", "kind", "form"), CASES, ids=str)
def test_a_kept_model_scores_as_the_trained_one(
    model: str, adapter: Any, kind: Any, form: str, tmp_path: Path
) -> None:
    chosen, ours = make_adapter(adapter), trained(model, adapter, kind)
    batch = make_batch(ours.task.test, np.arange(len(ours.task.test)), ours.device)
    with torch.no_grad():
        wanted = ours.network(batch.tokens, batch.mask)
    facts = write_model(ours, on_cpu(model), chosen, tmp_path, merge=form == "merged")
    assert facts.form == form
    write_facts(tmp_path, facts, {})
    kept = load_kept(tmp_path, "cpu")
    with torch.no_grad():
        found = kept.network(batch.tokens, batch.mask)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    texts = colour_texts().test.texts
    if kind == "classification":
        probabilities = kept.probabilities(texts)
        np.testing.assert_allclose(probabilities, wanted.double().softmax(1), atol=1e-5)
        assert kept.probabilities([]).shape == (0, 3)
        with pytest.raises(ValueError, match="classifier and writes nothing"):
            kept.answers(texts)
    else:
        assert len(kept.answers(texts[:2], 3)) == 2
        with pytest.raises(ValueError, match="has no classes"):
            kept.probabilities(texts)


def test_the_base_that_others_share_is_not_written(tmp_path: Path) -> None:
    ours = trained("tiny-bert", "lora", "classification")
    from fedbytes.models import load_base

    before = [p.clone() for p in load_base("tiny-bert", "classification", "cpu").model.parameters()]
    write_model(ours, on_cpu("tiny-bert"), make_adapter("lora"), tmp_path, merge=True)
    after = load_base("tiny-bert", "classification", "cpu").model.parameters()
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("adapter", "merge", "said"),
    [("full", False, "set keep=merged"), ("prompt_tuning", True, "set keep=adapter")],
)
def test_a_form_that_an_adapter_lacks_is_refused_with_the_other(
    adapter: str, merge: bool, said: str, tmp_path: Path
) -> None:
    ours = trained("tiny-llama", adapter, "causal-lm")
    with pytest.raises(ValueError, match=said):
        write_model(ours, on_cpu("tiny-llama"), make_adapter(adapter), tmp_path, merge)
    assert list(tmp_path.iterdir()) == []


def test_every_adapter_has_a_form() -> None:
    for name in ADAPTERS.names():
        assert ADAPTERS.get(name).kept_as, name


def test_altered_files_and_another_base_are_refused(tmp_path: Path) -> None:
    ours = trained("tiny-bert", "lora", "classification")
    facts = write_model(ours, on_cpu("tiny-bert"), make_adapter("lora"), tmp_path, merge=False)
    write_facts(tmp_path, facts, {})
    facts_file, head = tmp_path / "fedbytes.json", tmp_path / "head.safetensors"
    whole = facts_file.read_text()
    facts_file.write_text(whole.replace(facts.base_digest, "0" * 32))
    with pytest.raises(ValueError, match="is another today"):
        load_kept(tmp_path)
    facts_file.write_text(whole)
    head.write_bytes(head.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"head\.safetensors is missing or altered"):
        load_kept(tmp_path)
    with pytest.raises(ValueError, match="is no kept model"):
        load_kept(tmp_path / "nowhere")
