"""Three hospitals' folders become a model in a folder, by the words of the page alone."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "three-hospitals.md").read_text(encoding="utf-8")
LABELS = {"together", "together, ecsq 1.5 bit", "together, own heads", "each alone",
          "all in one place"}  # fmt: skip


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)


@pytest.fixture
def python(environment: Path, tmp_path: Path, tests_home: Path) -> Callable[[str], str]:
    """Run Python of the page where fedbytes is installed; return what it prints."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env = kept | {"FEDBYTES_HOME": str(tests_home), "OMP_NUM_THREADS": "1"}

    def run(code: str) -> str:
        done = subprocess.run(
            [environment / "python", "-"], input=code, cwd=tmp_path, env=env,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        return done.stdout

    return run


@pytest.mark.slow
def test_from_three_folders_to_a_model_and_each_hospitals_accuracy(
    fedbytes: Callable[..., Any], python: Callable[[str], str], tmp_path: Path
) -> None:
    write, read, choose = blocks("python")
    (suite,) = blocks("yaml")
    # Without the word fedbytes, which the fixture says.
    commands = [
        line[2:].split("#")[0].split()[1:] for line in "".join(blocks("console")).splitlines()
    ]
    sweep, plot, export, predict = commands

    python(write)
    (tmp_path / "hospitals.yaml").write_text(suite, encoding="utf-8")
    # A model of random weights in place of MiniLM, and one seed: what is tested is the way.
    tiny = ["model={name: tiny-bert}", "algorithm.learning_rate=0.01", "seed=[0]"]
    fedbytes(*sweep, *tiny)
    fedbytes(*plot)
    figures = {path.name for path in (tmp_path / "runs/hospitals/figures").iterdir()}
    assert {"fairness.svg", "bytes.svg", "summary.md"} <= figures
    report = tmp_path / "runs/hospitals/report.html"
    assert report.stat().st_size > 10_000

    save = f"{read}\ntable.to_csv('table.csv')\n{choose}"
    run = python(save).splitlines()[-1]
    table = pd.read_csv(tmp_path / "table.csv", index_col="label")
    assert set(table.index) == LABELS
    assert {"north", "south", "west", "kB"} == set(table.columns)
    assert table.notna().all(axis=None)
    assert table.loc["each alone", "kB"] == 0
    notes = sum((tmp_path / h / "notes.csv").stat().st_size for h in ("north", "south", "west"))
    assert 0 < table.loc["all in one place", "kB"] * 1000 < 1.2 * notes + 4096
    assert table.loc["together, ecsq 1.5 bit", "kB"] < table.loc["together", "kB"] / 10
    assert table.loc["all in one place", ["north", "south", "west"]].mean() > 0.5

    words = [run if word == "runs/hospitals/RUN" else word for word in export]
    fedbytes(*words)
    assert (tmp_path / "ward-model/adapter_model.safetensors").is_file()
    assert "# tiny-bert on file" in (tmp_path / "ward-model/README.md").read_text()
    fedbytes(*predict)
    predicted = pd.read_csv(tmp_path / "predicted.csv")
    assert len(predicted) == 120
    assert set(predicted["predicted"]) <= {"cardiology", "neurology", "orthopaedics"}
    own = python(f"{read}\n{choose}".replace('"together") &', '"together, own heads") &'))
    folder = own.splitlines()[-1]
    fedbytes("predict", folder, "north/notes.csv", "--column", "note", "--client", "north")
