"""Provenance of a run's numbers: code, packages and machine."""

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from fedbytes.process.package import PACKAGE_FOLDER
from fedbytes.process.version import PACKAGE_VERSION

_PACKAGES = ("torch", "transformers", "peft", "numpy", "numba", "tokenizers", "bitsandbytes")


def provenance() -> dict[str, Any]:
    """Return the commit and its dirty flag, package versions, machine and time (UTC)."""
    return {
        "fedbytes": PACKAGE_VERSION,
        **_commit(PACKAGE_FOLDER),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def continued_elsewhere(before: Mapping[str, Any], round_: int) -> dict[str, Any] | None:
    """Return a provenance that says where a run goes on; None if that is where it was.

    On another processor, or with another torch, sums are rounded otherwise in their last bits.

    Args:
        before: the run's provenance.
        round_: after which it goes on.
    """
    torch_before = before.get("packages", {}).get("torch")
    places = [{**before, "torch": torch_before}, *before.get("continued", ())]
    here = {
        "processor": _processor(),
        "platform": f"{platform.system()} {platform.machine()}",
        "torch": _version("torch"),
    }
    if all(places[-1].get(key) == value for key, value in here.items()):
        return None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"after_round": round_, "time": now, **here, **_commit(PACKAGE_FOLDER)}
    return {**before, "continued": [*before.get("continued", ()), entry]}


def with_processes(before: dict[str, Any], round_: int, workers: int) -> dict[str, Any]:
    """Return a provenance that says how many processes a run's clients train in from now on.

    The bits are the same. It is `before` where the number is, too.

    Args:
        before: the run's provenance.
        round_: after which it goes on.
        workers: `workers_per_run`.
    """
    changes = before.get("workers_changed", [])
    last = changes[-1] if changes else before
    if last.get("workers_per_run", 1) == workers:
        return before
    change = {"after_round": round_, "workers_per_run": workers}
    return {**before, "workers_changed": [*changes, change]}


def forget_peak_memory() -> None:
    """Reset the peak, where the system allows it: a worker makes many runs."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(gpu)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_bytes() -> int:
    """Return the largest resident size in bytes since `forget_peak_memory`.

    Outside Linux it is the largest since the process began.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_gpu_bytes() -> int | None:
    """Return the peak bytes of tensors on GPUs since then, None if none was used."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return sum(torch.cuda.max_memory_allocated(gpu) for gpu in range(torch.cuda.device_count()))


def _commit(folder: Path) -> dict[str, Any]:
    """Return the commit of the checkout that the package runs from, None outside one."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
