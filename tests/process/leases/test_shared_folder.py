"""Hosts that share a folder do one thing at a time in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from fedbytes.process.leases.lease import HeldError
from fedbytes.process.leases.shared_folder import alone_in

ADD = """
import sys, time
from pathlib import Path
from fedbytes.process.leases.shared_folder import alone_in
folder = Path(sys.argv[1])
for _ in range(3):
    with alone_in(folder, "sum"):
        total = int((folder / "total").read_text())
        time.sleep(0.01)
        (folder / "total").write_text(str(total + 1))
"""


def test_nothing_is_lost_between_processes(tmp_path: Path) -> None:
    (tmp_path / "total").write_text("0")
    adders = [subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path)]) for _ in range(3)]
    for _ in range(3):
        with alone_in(tmp_path, "sum"):
            total = int((tmp_path / "total").read_text())
            (tmp_path / "total").write_text(str(total + 1))
    assert [adder.wait(timeout=120) for adder in adders] == [0, 0, 0]
    assert (tmp_path / "total").read_text() == "12"
    assert [path.name for path in tmp_path.iterdir()] == ["total"]


def test_who_does_not_wait_is_told(tmp_path: Path) -> None:
    with alone_in(tmp_path, "sum"), pytest.raises(HeldError), alone_in(tmp_path, "sum", wait=False):
        raise AssertionError("two are in the block")
    with alone_in(tmp_path, "sum", wait=False):
        pass
    assert not list(tmp_path.iterdir())
