"""`fedbytes status` of a store that others write to: who, how far, how long, and who is silent."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import make_config, run
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines import remembered_silence
from fedbytes.experiments.engines.plan_file import write_sweep_plan
from fedbytes.experiments.engines.remembered_damage import RememberedDamage
from fedbytes.experiments.engines.remembered_silence import RememberedSilence
from fedbytes.experiments.execution.runner import RunStoppedError
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.process.leases.holder import Holder, this_process
from fedbytes.process.leases.lease import acquire
from fedbytes.process.leases.lease_files import create_lease, lease_path, read_leases

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def configs(texts: Path) -> list[RunConfig]:
    small = {
        "task": {"name": "file", "path": str(texts), "max_length": 16},
        "model": {"name": "tiny-bert"},
        "adapter": "head",
        "partition": {"name": "iid", "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
        "rounds": 4,
    }
    return [make_config(small | {"seed": seed}) for seed in (5, 1, 3)]


@pytest.fixture
def store(configs: list[RunConfig], tmp_path: Path) -> Path:
    """A plan of three runs: the first is in its second round, the others have not begun."""
    write_sweep_plan(tmp_path, "tiny", configs)
    stops = iter([False, True])
    with pytest.raises(RunStoppedError):
        run(configs[0], tmp_path, stop=lambda: next(stops))
    return tmp_path


def lines_of(text: str) -> dict[str, str]:
    """The cells of each run by its id; what is said of it below the table is left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        found.setdefault(line.partition(" ")[0], " ".join(line.split()))
    return found


def test_a_run_that_is_made_names_its_host_and_the_time_left(
    store: Path, configs: list[RunConfig], fedbytes: Call
) -> None:
    first, second, third = (config.id for config in configs)
    assert "interrupted 2/4" in lines_of(fedbytes("status", store).stdout)[first]
    one, two = acquire(store / first), acquire(_made(store / second))
    try:
        text = fedbytes("status", store, COLUMNS="250").stdout
    finally:
        one.release(forget_lower=True)
        two.release(forget_lower=True)
    found = lines_of(text)
    host = this_process()
    assert f"running on {host} 2/4" in found[first]
    assert " s " in found[first]
    assert f"running on {host} 0/4" in found[second]
    assert "waiting" in found[third]
    assert [run for run in found if run in (first, second, third)] == [first, second, third]
    assert "2 running, 1 waiting; about " in text
    assert "left with 2 workers" in text


def test_a_silent_worker_is_stale_after_what_it_promised(
    store: Path, configs: list[RunConfig], fedbytes: Call
) -> None:
    holder = Holder("node7", "boot", "space", 12, "1")
    content = {"holder": holder.stated(), "token": "x", "seconds": 0.5, "beat": 4}
    path = lease_path(store / configs[0].id, "lease", 1)
    assert create_lease(path, content | {"released": False})
    assert "running on node7" in fedbytes("status", store, COLUMNS="250").stdout
    time.sleep(0.6)
    text = fedbytes("status", store, COLUMNS="250").stdout
    assert "stale on node7 (process 12) 2/4" in lines_of(text)[configs[0].id]
    assert f"{configs[0].id} stale: its worker has not been heard for" in text
    path.write_text(json.dumps(content | {"released": False, "beat": 5}))
    assert "running on node7" in fedbytes("status", store, COLUMNS="250").stdout


def test_what_hosts_see_that_share_a_folder_stays_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts look in turn, ten seconds apart each."""
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path))
    content = {"holder": Holder("node7").stated(), "token": "x", "seconds": 300, "beat": 4}
    assert create_lease(lease_path(tmp_path, "lease", 1), content | {"released": False})
    (lease,) = read_leases(tmp_path, "lease")
    now = [0.0]
    monkeypatch.setattr(remembered_silence.time, "monotonic", lambda: now[0])
    seen: dict[str, list[float]] = {"a": [], "b": []}
    for host in "abab":
        here = Holder(host, "boot", "space", 1, "1")
        monkeypatch.setattr(remembered_silence, "this_process", lambda here=here: here)
        silence = RememberedSilence()
        seen[host].append(silence.of(lease))
        silence.save()
        now[0] += 10
    assert seen == {"a": [0, 20], "b": [0, 20]}


def test_damage_of_what_has_finished_is_looked_for_once(
    store: Path, configs: list[RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def find(folder: RunFolder) -> str:
        looked.append(folder.run)
        return ""

    monkeypatch.setattr("fedbytes.experiments.engines.remembered_damage.find_damage", find)
    folder, damage = RunFolder(store, configs[0].id), RememberedDamage()
    for times in (1, 2):  # a run in progress is looked at each time
        damage.find(folder)
        assert len(looked) == times
    (folder.path / "done").touch()
    damage.find(folder)
    damage.find(folder)
    assert len(looked) == 3
    (folder.path / "summary.json").write_text("altered")
    damage.find(folder)
    assert len(looked) == 4


def test_watching_ends_when_every_run_has_ended(
    store: Path, configs: list[RunConfig], fedbytes: Call
) -> None:
    for config in configs:
        run(config, store)
    done = fedbytes("status", store, "--watch", "--every", "0.1")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "3 done"


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
