"""The models and texts that the default suites use, as fetched."""

import numpy as np
import pytest
import torch

from fedbytes.data import asset_digest, fetch
from fedbytes.models import build_model, encode_task, load_base, load_tokenizer


def train(model, steps, batch_size, learning_rate):
    optimiser = torch.optim.AdamW([model.flat], lr=learning_rate, weight_decay=0.0)
    rows = np.arange(len(model.task.train))
    batches = model.batches(rows, batch_size, np.random.default_rng(0))
    for _ in range(steps):
        model.flat.grad.zero_()
        model.loss(next(batches)).backward()
        optimiser.step()


def test_minilm_learns_newswire_topics(users_home):
    spec = {
        "name": "reuters-r8",
        "max_length": 32,
        "max_train_examples": 320,
        "max_test_examples": 200,
    }
    model = build_model("minilm", {"name": "lora", "layers": 2}, encode_task(spec, "minilm"))
    assert model.info.digest == asset_digest("minilm")
    assert model.info.parameters == pytest.approx(22.6e6, rel=0.01)
    assert model.keeps_states
    train(model, steps=25, batch_size=16, learning_rate=2e-3)
    assert model.evaluate()["accuracy"] > 0.8


def test_minilm_puts_like_texts_together(users_home):
    """The weights are those of a sentence encoder: its pooled states rank by meaning."""
    texts = ["a cat sat on the mat", "the kitten rested on the rug", "interest rates rose sharply"]
    tokens = load_tokenizer("minilm")[0](texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = load_base("minilm").model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(2)
    pooled = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    near, far = float(pooled[0] @ pooled[1]), float(pooled[0] @ pooled[2])
    assert near > 0.5 > 0.2 > far


@pytest.mark.slow
def test_smollm2_is_dequantised_and_knows_english(users_home):
    folder = fetch("smollm2-135m")
    assert (folder / "model.safetensors").is_file()
    assert not list(folder.glob("*.gguf"))
    spec = {"name": "friends", "max_length": 32, "max_train_examples": 8, "max_test_examples": 40}
    model = build_model(
        "smollm2-135m", {"name": "lora", "layers": 1}, encode_task(spec, "smollm2-135m")
    )
    assert model.info.parameters == pytest.approx(134.5e6, rel=0.001)
    assert model.evaluate()["loss"] < 5.5  # log(49152) is 10.8
