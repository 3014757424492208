"""Leases: one holder at a time, by numbers and beats, whatever clocks say."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases import holder, lease_files
from fedbytes.process.leases.holder import Holder, this_process
from fedbytes.process.leases.lease import HeldError, Lease, LostLeaseError, acquire
from fedbytes.process.leases.lease_files import create_lease, lease_path, read_leases
from fedbytes.process.leases.silence import Silence

ELSEWHERE = Holder("another-host", "boot", "space", 1, "1")
HOLD = """
import sys, time
from pathlib import Path
from fedbytes.process.leases.lease import acquire
lease = acquire(Path(sys.argv[1]), seconds=float(sys.argv[2]))
print(lease.number, flush=True)
sys.stdin.readline()
try:
    lease.check()
except ValueError as error:
    print(error, flush=True)
"""


def hold_elsewhere(folder: Path, seconds: float, number: int = 1) -> Path:
    """A lease of a process on a host that is not seen from here, and does not beat."""
    path = lease_path(folder, "lease", number)
    content = {"holder": ELSEWHERE.stated(), "token": "theirs", "seconds": seconds}
    assert create_lease(path, content | {"beat": 0, "released": False})
    return path


def held_by_another_process(folder: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    return process


def test_a_lease_that_is_given_back_leaves_nothing(tmp_path: Path) -> None:
    lease = acquire(tmp_path)
    lease.check()
    (record,) = read_leases(tmp_path, "lease")
    assert record.holder == this_process()
    assert not record.is_over
    lease.release(forget_lower=True)
    assert not list(tmp_path.iterdir())


def test_a_number_is_taken_once(tmp_path: Path) -> None:
    lease = acquire(tmp_path)
    twin = Lease(tmp_path, "lease", lease.number, 300, clean=True)
    assert not twin.begin()
    with pytest.raises(LostLeaseError):
        twin.check()
    lease.release(forget_lower=True)


def test_a_process_that_has_ended_here_is_replaced_at_once(tmp_path: Path) -> None:
    process = held_by_another_process(tmp_path, 3600)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    lease = acquire(tmp_path)
    assert (lease.number, lease.clean) == (2, True)
    lease.release(forget_lower=True)
    assert not list(tmp_path.iterdir())


def test_a_heart_that_beats_keeps_its_lease(tmp_path: Path) -> None:
    process = held_by_another_process(tmp_path, 1)
    with pytest.raises(HeldError, match=rf"is being made by .*process {process.pid}"):
        acquire(tmp_path)
    assert process.communicate("\n") == ("", None)


def test_a_frozen_process_loses_its_lease_and_finds_out(tmp_path: Path) -> None:
    process = held_by_another_process(tmp_path, 0.5)
    os.kill(process.pid, signal.SIGSTOP)
    lease = acquire(tmp_path)
    assert (lease.number, lease.clean) == (2, False)
    os.kill(process.pid, signal.SIGCONT)
    assert "was taken over by" in process.communicate("\n")[0]
    lease.check()
    lease.release(forget_lower=False)
    assert [one.released for one in read_leases(tmp_path, "lease")] == [False, True]
    assert acquire(tmp_path, seconds=1).number == 3  # a number is not used twice


def test_a_lower_number_does_not_count_beside_a_newer_attempt(tmp_path: Path) -> None:
    hold_elsewhere(tmp_path, 3600)
    lease = acquire(tmp_path, least=2)
    assert lease.number == 2
    lease.release(forget_lower=True)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_cut_is_a_lease_of_nobody_known(tmp_path: Path) -> None:
    lease_path(tmp_path, "lease", 1).write_text('{"holder": {"ho')
    (record,) = read_leases(tmp_path, "lease")
    assert str(record.holder) == "an unknown host"
    assert not record.is_over


def test_where_there_are_no_links_a_number_is_taken_once_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links", str(path))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = hold_elsewhere(tmp_path, 60)
    before = path.read_bytes()
    assert not create_lease(path, {"another": 1})
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_written_leaves_no_lease_behind(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder])
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        lease = acquire(folder, "kept", seconds=1)
        with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 512)
        with pytest.raises(DiskError, match="No space left on device"):
            acquire(folder, "other")
        assert not read_leases(folder, "other")
        before = read_leases(folder, "kept")[0].signature
        end = time.monotonic() + 10
        while read_leases(folder, "kept")[0].signature == before and time.monotonic() < end:
            time.sleep(0.05)
        assert read_leases(folder, "kept")[0].signature != before  # a heart beats without room
        lease.check()
        lease.release(forget_lower=True)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(DiskError, match="Read-only file system"):
            acquire(folder, "other")
    finally:
        subprocess.run(["umount", folder], check=True)


def test_silence_is_of_the_watcher_s_own_clock() -> None:
    now = [100.0]
    silence = Silence(most=10, clock=lambda: now[0])
    assert silence.of("a", b"1") == 0
    now[0] += 4
    assert silence.of("a", b"1") == 4
    now[0] += 5000  # the watcher was frozen
    assert silence.of("a", b"1") == 14
    now[0] += 1
    assert silence.of("a", b"2") == 0


def test_a_watcher_that_stood_still_finds_nobody_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine as a whole sleeps for two hours between the first look and the second."""
    hold_elsewhere(tmp_path, 300)
    now = [0.0]
    naps = iter([7200.0])
    monkeypatch.setattr(
        "fedbytes.process.leases.lease.Silence", lambda: Silence(clock=lambda: now[0])
    )

    def sleep(seconds: float) -> None:
        now[0] += next(naps, seconds)

    monkeypatch.setattr("fedbytes.process.leases.lease.time.sleep", sleep)
    heard: list[float] = []
    acquire(tmp_path, on_wait=lambda _, silent: heard.append(silent)).release(forget_lower=True)
    assert heard[1] <= 10
    assert now[0] - 7200 >= 300 - 10 - 1


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO])
@pytest.mark.parametrize("where", ["scandir", "content"])
def test_a_read_that_fails_for_a_moment_costs_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, where: str
) -> None:
    """A file that another host has just replaced is stale, and a server may not answer once."""
    lease = acquire(tmp_path)
    monkeypatch.setattr(lease_files, "_PAUSES", (0.0, 0.0))
    left = [2]
    module, name = (os, "scandir") if where == "scandir" else (lease_files, "_content")
    real = getattr(module, name)

    def read(path: Path) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(code, "no answer", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, read)
        lease.check()
        left[0] = 99
        with pytest.raises(OSError, match="no answer"):
            lease.check()
    lease.release(forget_lower=True)


def test_a_process_that_is_hidden_from_others_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hidepid, as on many clusters, other users' processes are not in /proc."""
    me = this_process()
    hidden = Holder(**(me.stated() | {"pid": os.getppid(), "started": "1"}))
    assert hidden.is_gone  # seen, and begun at another time
    (tmp_path / "self").mkdir()
    (tmp_path / "self/stat").write_text("x")
    monkeypatch.setattr(holder, "_PROC", tmp_path)
    assert not hidden.is_gone

    def refused(pid: int, signal_: int) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(holder.os, "kill", refused)
        assert not hidden.is_gone
    assert Holder(**(me.stated() | {"pid": 2**22 + 1})).is_gone


@pytest.mark.parametrize("years", [-20, 20])
def test_hosts_clocks_do_not_matter(tmp_path: Path, years: int) -> None:
    path = hold_elsewhere(tmp_path, 0.4)
    then = time.time() + years * 3e7
    os.utime(path, (then, then))
    begun = time.monotonic()
    lease = acquire(tmp_path)
    assert time.monotonic() - begun >= 0.4
    assert not lease.clean
    lease.release(forget_lower=True)


def test_processes_are_told_apart_from_those_that_had_their_number(tmp_path: Path) -> None:
    me = this_process()
    assert not me.is_gone
    assert Holder(**(me.stated() | {"started": "1"})).is_gone
    assert not Holder(**(me.stated() | {"boot": "another", "started": "1"})).is_gone
    assert not Holder(**(me.stated() | {"space": "a container", "started": "1"})).is_gone
    assert Holder.read(json.loads(json.dumps(me.stated())) | {"of_next_release": 1}) == me
