"""`fedbytes verdicts` and `power` over stores on disk, old ones and rows alone."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fedbytes.cli.app import main
from fedbytes.plots import sample_tables, write_data

RESULTS = Path(__file__).parents[3] / "docs" / "results"


@pytest.fixture
def said(monkeypatch, capsys):
    """Run the command line; return its exit code, what it printed, and its complaint."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["fedbytes", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


@pytest.fixture
def store(tmp_path):
    """A store as the first versions wrote it: six seeds, two codecs, no labels of sections."""
    for codec, gap in (("fp32", 0.0), ("nf4", 0.0), ("topk", -0.03)):
        for seed in range(6):
            folder = tmp_path / "old" / f"{codec}{seed}"
            folder.mkdir(parents=True)
            named = {"name": codec}
            config = {"suite": "old", "seed": seed, "uplink": named, "downlink": named} | {
                key: {"name": key} for key in ("task", "model", "adapter", "algorithm", "partition")
            }
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
            end = 0.9 + 0.01 * seed + gap + 0.001 * ((seed * len(codec)) % 3)
            rows = [
                {"round": r, "rounds": 4, "up_bytes": r * 10 * len(codec), "down_bytes": 0,
                 "total_bytes": r * 10 * len(codec), "accuracy": end - 0.2 / r**2}
                for r in range(1, 5)
            ]  # fmt: skip
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / "rounds.jsonl").write_text(lines)
            (folder / "summary.json").write_text(json.dumps(rows[-1] | {"rounds": 4}))
            (folder / "provenance.json").write_text("{}")
            held = {"categories": ["x"], "counts": [[1]]}
            (folder / "holdings.json").write_text(json.dumps(held))
            messages = {
                "round": [1, 2, 3, 4], "client": [0] * 4, "direction": ["up"] * 4,
                "kind": ["delta"] * 4, "payload_bytes": [1] * 4,
                "message_bytes": [10 * len(codec)] * 4, "encode_seconds": [0.1] * 4,
                "decode_seconds": [0.1] * 4,
            }  # fmt: skip
            pd.DataFrame(messages).to_parquet(folder / "ledger.parquet", index=False)
            (folder / "done").touch()
    return tmp_path / "old"


def test_verdicts_of_an_old_store(said, store, tmp_path):
    code, out, _ = said(
        "verdicts", store, "--baseline", "fp32", "--margin", "0.005", "--csv", tmp_path / "v.csv"
    )
    assert code == 0
    words = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert " equal " in words["nf4"]
    assert " worse " in words["topk"]
    assert "margin 0.50 points" in out
    assert (tmp_path / "v.csv").read_text().startswith("setting,codec,n,")


def test_power_of_an_old_store(said, store):
    code, out, _ = said("power", store, "--margin", "0.005", "--power", "0.9")
    assert code == 0
    assert "90 % power" in out
    assert "Seeds (Holm)" in out


def test_committed_rows(said):
    code, out, _ = said("verdicts", RESULTS / "codecs", "--target", "0.85")
    assert code == 0
    assert "non-inferior" in out
    assert "target was chosen after the runs" in " ".join(out.split())
    assert "no verdict" in said("verdicts", RESULTS / "finetune")[1]  # three seeds
    assert said("power", RESULTS / "friends-speakers", "--margin", "0.01")[0] == 0


def test_tables_that_plot_wrote(said, tmp_path):
    write_data(sample_tables(seeds=range(5)), tmp_path)
    code, out, _ = said("verdicts", tmp_path, "--metric", "loss")
    assert code == 0
    assert "margin 0.0100 loss" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("verdicts", "nowhere"), "there is no folder 'nowhere'"),
        (("verdicts", RESULTS / "quickstart", "--margin", "0"), "must be above 0"),
        (("verdicts", RESULTS / "quickstart", "--metric", "bleu"), "known: accuracy"),
        (("verdicts", RESULTS / "quickstart", "--baseline", "bf16"), "no run is called 'bf16'"),
        (("verdicts", RESULTS / "quickstart", "--family", "page"), "setting or store, got 'page'"),
        (("verdicts", RESULTS / "quickstart", "--target", "high"), "target must be a number"),
        (("power", RESULTS / "smollm2-20news"), "at least 3 seeds"),
        (("power", RESULTS / "quickstart", "--power", "80"), "between 0 and 1, got 80"),
        (("power", RESULTS / "quickstart", "--final", "mean"), "got 'mean'"),
    ],
)
def test_mistakes_are_one_line(said, words, message):
    code, _, err = said(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
