"""Runs of language modelling on plain text, from files to the store."""

import json
from pathlib import Path

import numpy as np
import pytest

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
