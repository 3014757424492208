"""`fedbytes status` of a store that others write to: who, how far, how long, and who is silent."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import make_config, run
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.plan_file import write_sweep_plan
from fedbytes.experiments.execution.runner import RunStoppedError
from fedbytes.process.leases.holder import Holder, this_process
from fedbytes.process.leases.lease import acquire
from fedbytes.process.leases.lease_files import create_lease, lease_path

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
