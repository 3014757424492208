"""A run whose process dies is tried three times, however it is run."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import load_runs, make_config, run
from fedbytes.experiments.execution.events import Advanced, Failed
from fedbytes.experiments.execution.sweeps import sweep
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import LIMIT, begin_try, tries

KILLER = """
import os, signal
from dataclasses import dataclass
from pathlib import Path
from fedbytes.compression.codec import CODECS, Codec

@CODECS.register("deadly")
@dataclass(frozen=True)
class Deadly(Codec):
    at: int = 1
    healed: str = ""

    def _encode(self, x, shared):
        if shared.round == self.at and not Path(self.healed).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return x.tobytes()

    def _decode(self, data, shared):
        import numpy as np
        return np.frombuffer(data, np.float32).copy()
"""


class Listener:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def started(self, config: Any) -> None: ...

    def on_event(self, config: Any, event: Any) -> None:
        if isinstance(event, Failed):
            self.messages.append(event.message)


def deadly(small: dict[str, Any], tmp_path: Path, at: int) -> Any:
    plugin = tmp_path / "deadly.py"
    plugin.write_text(KILLER)
    codec = {"name": "deadly", "at": at, "healed": str(tmp_path / "healed")}
    return make_config(small | {"plugins": [str(plugin)], "uplink": codec})


def test_a_killed_run_goes_on_and_is_left_alone_after_three_tries(
    small: dict[str, Any], tmp_path: Path
) -> None:
    config, store = deadly(small, tmp_path, at=2), tmp_path / "s"
    folder, listener = RunFolder(store, config.id), Listener()
    assert list(sweep([config], store, workers=1, threads=1, reporter=listener).failed)
    assert "goes on from its checkpoint" in listener.messages[-1]
    assert folder.status == "interrupted"
    assert tries(folder) == 0  # it has finished a round
    for _ in range(LIMIT - 1):
        begin_try(folder)  # as a process does that then dies, whichever way it runs
    sweep([config], store, workers=1, threads=1, reporter=listener)
    assert folder.status == "failed"
    assert "died 3 times" in folder.failure
    with pytest.raises(ValueError, match="--retry-failed"):
        run(config, store)
    assert sweep([config], store, workers=1, reporter=listener).failed
    (tmp_path / "healed").touch()
    done = sweep([config], store, workers=1, threads=1, retry_failed=True, reporter=listener)
    assert done.done == [config.id]
    assert tries(folder) == 0


def test_errors_and_interruptions_are_no_tries(small: dict[str, Any], tmp_path: Path) -> None:
    config = make_config(small)

    def stop(event: Any) -> None:
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path, on_event=stop)
        assert tries(RunFolder(tmp_path, config.id)) == 0


@pytest.mark.slow
def test_a_sweep_killed_by_hand_has_no_tries(suite_file: Path, tmp_path: Path) -> None:
    import time

    store = tmp_path / "s"
    command = [sys.executable, "-m", "fedbytes.cli", "sweep", str(suite_file), "--out", str(store)]
    process = subprocess.Popen([*command, "rounds=200", "--workers", "1", "--no-report"])
    deadline = time.monotonic() + 120
    while not list(store.glob("*/tries")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while list(store.glob("*/tries")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list(store.glob("*/tries"))
    assert set(load_runs(store).status) <= {"waiting", "interrupted"}
