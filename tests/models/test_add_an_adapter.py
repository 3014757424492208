"""The adapter of docs/add-an-adapter.md is run as printed."""

import re
from pathlib import Path

import pytest
import torch

from fedbytes import models
from fedbytes.experiments import load_results, make_config, run
from fedbytes.models import ADAPTERS, build_model

PAGE = Path(__file__).parents[2] / "docs" / "add-an-adapter.md"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The page's code in a file; what it registers is forgotten afterwards."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "last_norm.py"
    path.write_text(code, encoding="utf-8")
    ADAPTERS.names()
    monkeypatch.setattr(ADAPTERS, "_classes", dict(ADAPTERS._classes))
    return path


@pytest.mark.parametrize("model", ["tiny-bert", "tiny-llama"])
def test_the_documented_adapter_trains(source, texts, tmp_path, model):
    fields = {
        "task": {"name": "file", "path": str(texts), "max_length": 48},
        "model": {"name": model, "device": "cpu", "precision": "float32"},
        "adapter": {"name": "last-norm"},
        "partition": {"name": "iid", "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 8, "learning_rate": 0.02},
        "rounds": 4,
        "plugins": [str(source)],
        "evaluate_start": True,
    }
    run(make_config(fields), tmp_path / "runs")
    losses = load_results(tmp_path / "runs")["loss"]
    assert losses.iloc[-1] < 0.9 * losses.iloc[0]


def test_it_trains_one_normalisation_and_starts_as_the_base(source, colours):
    make_config({"adapter": {"name": "last-norm"}, "plugins": [str(source)]})
    model = build_model("tiny-bert", "last-norm", colours)
    names = [name for name in model.layout.names if not name.startswith("head.")]
    assert names == [f"encoder.layer.2.output.LayerNorm.{part}" for part in ("weight", "bias")]
    assert torch.equal(model.initial_state[:64], torch.cat([torch.ones(32), torch.zeros(32)]))
    assert model.keeps_states, "two layers of three are constant"


def test_the_page_names_what_the_face_has():
    tables = re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in tables for name in re.findall(r"`(\w+)[(`]", cell)} - {"fedbytes"}
    assert len(named) > 8
    assert named <= set(models.__all__)
