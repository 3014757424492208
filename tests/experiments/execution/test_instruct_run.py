"""A run of instruction tuning, from a file to the store and to figures."""

import json
from pathlib import Path

import pytest

from fedbytes.experiments import load_results, make_config, run
from fedbytes.plots.output.report import write_report
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.read_store import read_tables

ANSWERS = {"sums": "two", "talk": "yes"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Two runs of two rounds, by four clients of one category or the other."""
    folder = tmp_path_factory.mktemp("instruct")
    rows = [
        {"instruction": f"{i}: {kind}?", "output": answer, "category": kind}
        for i in range(20)
        for kind, answer in ANSWERS.items()
    ]
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for uplink in ("fp32", "bf16"):
        config = make_config(
            {
                "task": {
                    "name": "instruct",
                    "path": str(path),
                    "template": "plain",
                    "generate_examples": 3,
                    "max_new_tokens": 4,
                },
                "model": "tiny-llama",
                "adapter": {"name": "lora", "rank": 2, "layers": 1},
                "partition": {"name": "classes", "classes_per_client": 1, "num_clients": 4},
                "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
                "uplink": uplink,
                "rounds": 2,
            }
        )
        run(config, folder / "store")
    return folder / "store"


def test_clients_differ_by_category_and_metrics_reach_the_store(store: Path):
    rows = load_results(store)
    assert len(rows) == 4
    assert rows[["exact_match", "rouge_l", "perplexity"]].notna().all().all()
    assert rows["heterogeneity"].iloc[0] == pytest.approx(1)
    answers = json.loads(next(store.glob("*/answers.json")).read_text())["answers"]
    assert len(answers) == 3
    assert {answer["wanted"] for answer in answers} <= set(ANSWERS.values())
    summary = json.loads(next(store.glob("*/summary.json")).read_text())
    assert {"exact_match", "rouge_l", "unigram_perplexity"} <= set(summary)


def test_comparison_and_report_take_the_new_metrics(store: Path, tmp_path: Path):
    tables = read_tables(store)
    found = compare_codecs(tables, "exact_match")
    assert found.metric.label == "Exact answers (%)"
    assert len(found.codecs) == 2
    report = write_report(tables, tmp_path / "report.html", title="instruct")
    assert "unigram" in report.read_text()
