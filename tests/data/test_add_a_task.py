"""The task of docs/add-a-task.md is run as printed."""

import re
from pathlib import Path

import numpy as np
import pytest

from fedbytes.data import TASKS, make_task
from fedbytes.experiments import load_results, make_config, run
from fedbytes.noniid import Partition

PAGE = Path(__file__).parents[2] / "docs" / "add-a-task.md"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The page's code in a file; what it registers is forgotten afterwards."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "reviews.py"
    path.write_text(code, encoding="utf-8")
    TASKS.names()
    monkeypatch.setattr(TASKS, "_classes", dict(TASKS._classes))
    return path


def settings(source):
    return {
        "task": {"name": "reviews"},
        "model": {"name": "tiny-bert", "device": "cpu", "precision": "float32"},
        "adapter": {"name": "full"},
        "partition": {"name": "natural", "factor": "author", "num_clients": 3},
        "algorithm": {"name": "fedavg", "local_steps": 10, "learning_rate": 0.003},
        "rounds": 3,
        "plugins": [str(source)],
    }


def test_the_documented_task_is_learned_by_clients_that_are_its_authors(source, tmp_path):
    folder = run(make_config(settings(source)), tmp_path / "runs")
    authors = make_task("reviews").load().train.columns["author"]
    wanted = sorted(np.unique(authors, return_counts=True)[1])
    assert sorted(Partition.load(folder.path / "partition.npz").sizes) == wanted
    assert len(wanted) == 3
    accuracy = load_results(tmp_path / "runs")["accuracy"]
    assert accuracy.max() > 0.7


def test_its_fields_are_checked(source):
    make_config(settings(source))
    assert len(make_task("reviews", copies=3).load().train) == 9
    assert len(make_task("reviews", max_train_examples=5).load().train) == 5
    with pytest.raises(ValueError, match="copies must be of type int, got 'many'"):
        make_task("reviews", copies="many")
