"""A published figure drawn again from its rows, and rows of one's own sent to the others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "finetune"


@pytest.mark.slow
def test_a_published_figure_is_drawn_again(fedbytes: Callable[..., Any], tmp_path: Path) -> None:
    shutil.copytree(PUBLISHED, tmp_path / "rows")
    for drawn in [*(tmp_path / "rows").glob("*.svg"), tmp_path / "rows" / "summary.md"]:
        drawn.unlink()

    fedbytes("plot", "rows", "--out", "again")

    figures = {path.name for path in (tmp_path / "again").glob("*.svg")}
    assert {"bytes.svg", "pareto.svg", "target.svg"} <= figures
    columns = ["codec", "seeds", "value", "value_half", "total_bytes"]
    wanted, found = (
        pd.read_csv(folder / "summary.csv")[columns] for folder in (PUBLISHED, tmp_path / "again")
    )
    assert len(wanted) > 5
    pd.testing.assert_frame_equal(found, wanted)


@pytest.mark.slow
def test_rows_of_ones_own_are_submitted_and_checked_by_others(
    fedbytes: Callable[..., Any], tmp_path: Path, texts: Path
) -> None:
    shutil.copy(texts, tmp_path / "notes.csv")
    fedbytes("new", "codec", "my-codec")
    fedbytes("new", "suite", "mine")
    task = "task={name: file, path: notes.csv, max_length: 32}"
    codecs, seeds = "codec=[fp32, my-codec]", "seed=[0, 1]"
    rest = ("model.name=tiny-bert", "rounds=2", "partition.alpha=1.0")
    fedbytes("sweep", "mine.yaml", "--plugin", "my_codec.py", task, codecs, seeds, *rest)

    card = ("--title", "My codec", "--authors", "A. N. Author", "--name", "my-codec")
    fedbytes("submit", "runs/mine", *card, "--with-files")
    sent = tmp_path / "results" / "my-codec"
    assert json.loads((sent / "card.json").read_text(encoding="utf-8"))["title"] == "My codec"

    # Whoever checks it has neither the codec nor the texts nor the store.
    for gone in ("my_codec.py", "notes.csv"):
        (tmp_path / gone).unlink()
    shutil.rmtree(tmp_path / "runs")
    checked = fedbytes("verify", "results/my-codec", "--again")
    assert "of 4 runs hold" in checked.stdout
    assert "made again: equal" in " ".join(checked.stdout.split())
