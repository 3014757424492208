"""Four runs that take their time, a table of them made on this machine, and real engines."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from needed_engines import miss

from fedbytes.streams import stream

SLURM = Path(__file__).parents[2] / "scripts/one_node_slurm.sh"
SLOW = """
import time
from dataclasses import dataclass
import numpy as np
from fedbytes.compression.codec import CODECS, Codec

@CODECS.register("slow")
@dataclass(frozen=True)
class Slow(Codec):
    seconds: float = 0.25

    def _encode(self, x, shared):
        time.sleep(self.seconds)
        return x.tobytes()

    def _decode(self, data, shared):
        return np.frombuffer(data, np.float32).copy()
"""


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of four runs of twelve rounds, each of which can be caught in the middle."""
    folder = tmp_path_factory.mktemp("suite")
    rng = stream(0, "texts of engines")
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        words = (("goal", "match"), ("bank", "stock"), ("rain", "wind"))
        rows = [(" ".join(rng.choice(words[i % 3], 6)), i % 3) for i in range(120)]
        csv.writer(file).writerows([("text", "label"), *rows])
    (folder / "slow.py").write_text(SLOW)
    content = {
        "name": "engines",
        "plugins": ["slow.py"],
        "base": {
            "task": {"name": "file", "path": str(folder / "texts.csv"), "max_length": 16},
            "model": {"name": "tiny-bert"},
            "adapter": "head",
            "partition": {"name": "iid", "num_clients": 2},
            "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
            "uplink": {"name": "slow"},
            "rounds": 12,
        },
        "grid": {"seed": [0, 1, 2, 3]},
    }
    path = folder / "engines.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def here(suite: Path) -> Path:
    """The store of the suite as this machine makes it."""
    store = suite.parent / "here"
    words = ["sweep", str(suite), "--out", str(store), "--workers", "2", "--threads", "1"]
    subprocess.run([sys.executable, "-m", "fedbytes", *words, "--no-report"], check=True)
    return store


@pytest.fixture(scope="session")
def one_node_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A SLURM of one node, started for these tests; its configuration."""
    folder = tmp_path_factory.mktemp("slurm")
    done = subprocess.run(["sh", SLURM, "start", folder], capture_output=True, text=True)
    if done.returncode:
        miss(done.stderr.strip())
    try:
        yield done.stdout.strip()
    finally:
        subprocess.run(["sh", SLURM, "stop", folder], check=True)


@pytest.fixture
def slurm_conf(one_node_slurm: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The configuration by which this process and those that it starts find that SLURM."""
    monkeypatch.setenv("SLURM_CONF", one_node_slurm)
    return one_node_slurm
