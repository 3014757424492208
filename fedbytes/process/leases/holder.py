"""The process that holds a lease: where it runs, and whether it is certainly gone."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

_PROC = Path("/proc")
_DEAD = "ZX"  # states of a process that has ended and is not yet forgotten
_JOBS = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"), ("SLURM_JOB_ID",)


@dataclass(frozen=True)
class Holder:
    """A process, told apart from every other on every host.

    Attributes:
        host: the name of its host.
        boot: the host's id since it was started; empty where the system gives none.
        space: its space of process ids, which containers have of their own.
        pid: its id there.
        started: when it began, in the kernel's ticks: ids of processes are used again.
        job: its job, where it runs under SLURM.
    """

    host: str
    boot: str = ""
    space: str = ""
    pid: int = 0
    started: str = ""
    job: str = ""

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """Return the holder that a file names; fields of other releases are passed over."""
        known = {key: found[key] for key in cls.__dataclass_fields__ if key in found}
        return cls(**({"host": "an unknown host"} | known))

    def stated(self) -> dict[str, Any]:
        """Return what a file says of it."""
        return asdict(self)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, where its process can be told from here to be alive."""
        here = this_process()
        places = (self.host, self.boot, self.space), (here.host, here.boot, here.space)
        return bool(self.pid) and places[0] == places[1]

    @property
    def is_gone(self) -> bool:
        """Whether it has certainly ended: only where its process would be seen from here."""
        if not self.is_here:
            return False
        if not _PROC.joinpath("self", "stat").exists():
            return not _answers(self.pid)
        state, started = _stat(self.pid)
        if not state:  # others' processes may be hidden from us (hidepid)
            return not _answers(self.pid)
        return state in _DEAD or started != self.started

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"{self.host} (process {self.pid}{job})" if self.pid else self.host


def this_process() -> Holder:
    """Return the process that asks."""
    return _holder(os.getpid())


@lru_cache(maxsize=1)
def _holder(pid: int) -> Holder:
    boot = space = ""
    with suppress(OSError):
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(_PROC.joinpath("self/ns/pid").readlink())
    job: list[str] = []
    for names in _JOBS:
        job = job or [os.environ[name] for name in names if name in os.environ]
    return Holder(socket.gethostname(), boot, space, pid, _stat(pid)[1], "_".join(job))


def _stat(pid: int) -> tuple[str, str]:
    """Return a process's state and when it began; two empty words if there is none."""
    try:
        text = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[0], fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
