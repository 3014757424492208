"""A store on a disk that is full, of a real file system of a few hundred kilobytes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import load_ledger, load_results, make_config, run
from fedbytes.experiments.execution.sweeps import sweep
from fedbytes.process.disk_errors import DiskError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Fill a disk until so many bytes are left; return what fills it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - left))
    return ballast


class Listener:
    def started(self, config: Any) -> None: ...
    def on_event(self, config: Any, event: Any) -> None: ...


@pytest.mark.parametrize("left", [0, 4096, 24576, 49152])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    left: int, small: dict[str, Any], small_disk: Path, tmp_path: Path
) -> None:
    config = make_config(small | {"rounds": 12})
    ballast = fill(small_disk, left)
    store = small_disk / "s"
    with pytest.raises(DiskError) as caught:
        run(config, store)
    message = str(caught.value)
    assert message.startswith(f"cannot write {small_disk}")
    assert "No space left on device" in message
    assert "free some space" in message
    assert "\n" not in message
    assert not list(small_disk.rglob("*.part"))
    assert not list(small_disk.rglob("new-state.pt"))
    ballast.unlink()
    run(config, store)
    run(config, tmp_path / "elsewhere")
    for load in (load_results, load_ledger):
        one, two = load(store), load(tmp_path / "elsewhere")
        kept = [column for column in one.columns if not column.endswith("seconds")]
        assert one[kept].equals(two[kept])


def test_a_sweep_on_a_full_disk_fails_the_run_without_recording_a_failure(
    small: dict[str, Any], small_disk: Path
) -> None:
    config = make_config(small | {"rounds": 4})
    ballast, store = fill(small_disk, 24576), small_disk / "s"
    outcome = sweep([config], store, workers=1, threads=1, reporter=Listener())
    assert "No space left on device" in outcome.failed[config.id]
    assert not (store / config.id / "error.json").exists()
    ballast.unlink()
    assert sweep([config], store, workers=1, threads=1, reporter=Listener()).done == [config.id]
