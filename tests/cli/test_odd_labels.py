"""A sweep with odd labels, on a terminal that has ASCII alone."""

import os
import subprocess
import sys

import pytest
import yaml

LABELS = [
    "≥ [bold]fp32[/bold] $$\x1b[31m\nred",
    "日本 _x_ <script>alert(1)</script> " + "long " * 50,
]


@pytest.mark.thorough
def test_a_finished_sweep_prints_its_last_line_and_writes_its_report(settings, tmp_path):
    suite = {
        "name": "odd",
        "title": "≥ <script>alert(2)</script>",
        "base": settings | {"rounds": 1, "clients_per_round": 2},
        "variants": [
            {"label": label, "codec": codec}
            for label, codec in zip(LABELS, ("fp32", "nf4"), strict=True)
        ],
    }
    path = tmp_path / "odd.yaml"
    path.write_text(yaml.safe_dump(suite), encoding="utf-8")
    odd = {"OMP_NUM_THREADS": "1", "COLUMNS": "160", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "fedbytes.cli", "sweep", path, "--out", tmp_path / "s"],
        env=os.environ | odd,
        capture_output=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b">= [bold]fp32[/bold] $$\\x1b[31m red" in done.stdout
    assert b"report: " in done.stdout.splitlines()[-1]
    page = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert "日本 _x_ &lt;script&gt;" in page
    assert "alert(2)</script>" not in page
