"""fedbytes can be installed beside other frameworks, and by itself with little."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.engines
ROOT = Path(__file__).parents[2]
PEERS = {"flower": "flwr", "nvflare": "nvflare", "pfl": "pfl", "ray": "ray"}
SLIM = """
import numpy as np, torch
from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.noniid import make_partitioner
shared = Shared(Layout({"w": (4096,)}), seed=0, round=1, sender=0)
data = make_codec("ecsq", bits=2.0).encode(torch.linspace(-1, 1, 4096), shared)
print(len(data), make_partitioner("dirichlet")(np.arange(90) % 3, 4, 0).sizes.sum())
"""


def python_in(folder: Path) -> str:
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The python of a new environment that has pip alone."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    venv.create(folder, with_pip=True)
    return python_in(folder)


def pip(python: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def names(report: Path) -> dict[str, str]:
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in found}


@pytest.mark.parametrize("peer", PEERS)
def test_pip_resolves_fedbytes_beside(peer: str, bare: str, tmp_path: Path) -> None:
    lock, report = ROOT / f"requirements-{peer}.lock", tmp_path / "report.json"
    pins = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    wanted = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
    done = pip(bare, "install", *wanted, "-r", str(lock), ".[train]")
    assert done.returncode == 0, done.stderr[-2000:]
    found = names(report)
    assert found.pop("fedbytes")
    assert len(found) == len(pins), "what pip resolves is more than the lock has"
    assert PEERS[peer] in found


def test_alone_it_brings_little_which_is_enough(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = python_in(tmp_path / "env")
    done = pip(python, "install", "--quiet", ".")
    assert done.returncode == 0, done.stderr[-2000:]
    found = subprocess.run([python, "-c", SLIM], capture_output=True, text=True, cwd=tmp_path)
    length, examples = map(int, found.stdout.split())
    assert 500 < length < 2000
    assert examples == 90
    without = subprocess.run([python, "-m", "fedbytes"], capture_output=True, text=True)
    assert without.returncode == 2
    assert without.stderr.count("\n") == 1
    assert "pip install 'fedbytes[train]'" in without.stderr


TRACKIO = """
import json, sys
import trackio
from trackio.sqlite_storage import SQLiteStorage
from pathlib import Path
from fedbytes.experiments.trackers.track_store import track_store
store, folder = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(2):
    (run,) = track_store(store, "trackio", folder)
runs = trackio.Api().runs("finished")
rows = SQLiteStorage.get_logs("finished", run)
print(json.dumps([[one.name for one in runs], rows]))
"""


def test_trackio_has_what_was_exported_twice(tmp_path: Path) -> None:
    """In an environment of its own: its pins exclude those of requirements.lock."""
    from fedbytes.experiments import load_results

    venv.create(tmp_path / "env", with_pip=True)
    python = python_in(tmp_path / "env")
    done = pip(python, "install", "--quiet", "--no-deps", "-r", "requirements-trackio.lock")
    assert done.returncode == 0, done.stderr[-2000:]
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "zz_ours.pth").write_text("\n".join([*ours, str(ROOT)]))  # after its own
    store, folder = ROOT / "tests" / "golden" / "stores" / "finished", tmp_path / "tracked"
    told = subprocess.run(
        [python, "-c", TRACKIO, str(store), str(folder)],
        capture_output=True,
        text=True,
        env={"PATH": "", "TRACKIO_DIR": str(folder), "HOME": str(tmp_path)},
    )
    assert told.returncode == 0, told.stderr[-2000:]
    runs, rows = json.loads(told.stdout.splitlines()[-1])
    table = load_results(store)
    assert runs == table["run"].unique().tolist()
    for name in ("accuracy", "up_bytes"):
        for kind, steps in (("round", table["round"]), ("bytes", table["total_bytes"])):
            key = f"by_{kind}/{name}"
            found = {row["step"]: row[key] for row in rows if key in row}
            expected = dict(zip(steps.tolist(), table[name].tolist(), strict=True))
            assert found == pytest.approx(expected)
