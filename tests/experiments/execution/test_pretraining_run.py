"""Runs of language modelling on plain text, from files to the store."""

import json
from pathlib import Path

import numpy as np
import pytest

from fedbytes.compression.codec import DIGEST_BYTES
from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.experiments import load_results, make_config, run
from fedbytes.streams import stream

WORDS = ["the cat sat", "on a mat", "and then it slept", "until noon"]


@pytest.fixture(scope="module")
def books(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("books")
    for file in range(3):
        rng = stream(file, "test books")
        paragraphs = [" ".join(rng.choice(WORDS, 8)) for _ in range(20)]
        (folder / f"{file}.txt").write_text("\n\n".join(paragraphs))
    return str(folder / "*.txt")


def test_packed_text_trains_by_rows(books, tmp_path: Path):
    config = make_config(
        {
            "task": {
                "name": "text",
                "path": books,
                "documents": "paragraph",
                "max_length": 32,
                "pack": True,
            },
            "model": "tiny-llama",
            "adapter": "full",
            "partition": {"name": "iid", "num_clients": 3, "factor": "file"},
            "algorithm": {
                "name": "fedavg",
                "local_epochs": 1,
                "batch_size": 8,
                "learning_rate": 1e-2,
            },
            "rounds": 2,
        }
    )
    folder = run(config, tmp_path)
    started = json.loads((folder.path / "provenance.json").read_text())
    summary = json.loads((folder.path / "summary.json").read_text())
    rows = load_results(tmp_path)
    assert 1 < started["unigram_perplexity"] == summary["unigram_perplexity"] < 40
    assert rows["perplexity"].iloc[-1] < rows["perplexity"].iloc[0] < 260
    # One token a byte, and one end token for the six test paragraphs of about 90 bytes each.
    bits = rows["loss"] / np.log(2)
    assert (rows["bits_per_byte"] / bits).tolist() == pytest.approx([1.01, 1.01], abs=0.01)


def test_a_model_from_a_configuration_is_drawn_from_the_seed_by_both_ends(books, tmp_path: Path):
    """With `initial: seed` eight bytes bring a client the model; with `full` all of its weights."""
    base = {
        "task": {"name": "text", "path": books, "documents": "paragraph", "pack": True},
        "model": {"name": "llama", "hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 270},
        "adapter": "full",
        "partition": {"name": "iid", "num_clients": 3, "factor": "file"},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
        "rounds": 1,
    }
    seeded, full = (
        json.loads((run(make_config(base | way), tmp_path).path / "summary.json").read_text())
        for way in ({"initial": "seed"}, {"initial": "full"})
    )
    assert seeded["perplexity"] == full["perplexity"]
    assert seeded["down_bytes"] == 3 * (8 + HEADER_BYTES)
    started = next(tmp_path.glob("*/provenance.json"))
    numel = json.loads(started.read_text())["parameters"]["trained"]
    assert full["down_bytes"] == 3 * (4 * numel + DIGEST_BYTES + HEADER_BYTES)
    assert seeded["setup_bytes"] == seeded["tokenizer_bytes"] > 1000


def test_a_task_with_labels_is_packed_and_split_by_them(texts: Path, tmp_path: Path):
    config = make_config(
        {
            "task": {
                "name": "file",
                "path": str(texts),
                "kind": "causal-lm",
                "pack": True,
                "max_length": 32,
            },
            "model": "tiny-llama",
            "adapter": {"name": "lora", "rank": 2, "layers": 1},
            "partition": {"name": "classes", "classes_per_client": 1, "num_clients": 3},
            "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
            "rounds": 1,
        }
    )
    run(config, tmp_path)
    assert load_results(tmp_path)["heterogeneity"].tolist() == pytest.approx([1.0])
