"""Plant the faults of tests/planted_faults.yaml one by one, and say which test catches each.

python scripts/plant_faults.py [NAME ...] [--write]

Each fault is put into a copy of the tree, where its own tests run until one fails. First all those
tests run without a fault, and have to pass. `--write` puts what caught each into
docs/planted-faults.md. The exit status is 1 if a fault lives.
"""

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NoReturn

from fault_list import PAGE, ROOT, Fault, read_faults, row, rows, with_rows

_LEFT_OUT = (".venv", ".git", ".mypy_cache", ".ruff_cache", ".hypothesis", "runs", "build", "dist")
_PRELOADED = (
    "pytest",
    "torch",
    "transformers",
    "peft",
    "pandas",
    "scipy.stats",
    "numba",
    "datasets",
)
"""What most tests import: loaded once, and there in every forked run."""
_LIMIT = 600.0
"""Seconds after which a run is stopped: a fault may make an endless loop."""
_PASSED, _FAILED, _TOO_LONG = 0, 1, -1


def main() -> None:
    """Plant the faults that the command line names, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to plant; all by default")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    faults = _chosen(read_faults(), given.names)
    os.environ["OMP_NUM_THREADS"] = "1"
    for module in _PRELOADED:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        _require_passing(tree, faults)
        caught = {}
        for fault in faults:
            begun = time.monotonic()
            caught[fault.name] = plant(tree, fault)
            print(
                f"{caught[fault.name] or 'LIVES'}  <-  {fault.name}  "
                f"({time.monotonic() - begun:.0f} s)",
                flush=True,
            )
    if given.write:
        _write(caught)
    alive = [name for name, by in caught.items() if not by]
    print(f"{len(caught) - len(alive)} of {len(caught)} caught")
    if alive:
        sys.exit(f"alive: {', '.join(alive)}")


def plant(tree: Path, fault: Fault) -> str:
    """Return the test that catches a fault in `tree`, which is left as it was; empty if none.

    Raises:
        SystemExit: if its tests do not run with it: it is no fault that anyone would overlook.
    """
    path = tree / fault.file
    source, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(fault.planted(source), encoding="utf-8")
    try:
        status, said = run_tests(tree, fault.tests, fresh_kernels="@kernel" in source)
    finally:
        path.write_text(source, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # what is compiled holds again
    if status == _TOO_LONG:
        return f"no end in {_LIMIT:.0f} s"
    if status not in (_PASSED, _FAILED):
        sys.exit(f"fault {fault.name!r}: its tests do not run\n{said}")
    return _first_failure(said) if status == _FAILED else ""


def run_tests(tree: Path, tests: tuple[str, ...], fresh_kernels: bool) -> tuple[int, str]:
    """Run tests in `tree` in a forked process; return pytest's exit status and what it printed.

    Args:
        tree: the root of a tree.
        tests: files or node ids.
        fresh_kernels: whether to compile all kernels anew: numba keeps a compiled loop that calls
            another one from a file that has changed.
    """
    with tempfile.TemporaryDirectory(prefix="planted-run-") as scratch:
        child = os.fork()
        if child == 0:
            _become_pytest(tree, tests, Path(scratch), fresh_kernels)
        status = _wait(child)
        return status, (Path(scratch) / "said").read_text(encoding="utf-8", errors="replace")


def _become_pytest(
    tree: Path, tests: tuple[str, ...], scratch: Path, fresh_kernels: bool
) -> NoReturn:
    status = 3
    try:
        os.setsid()
        said = os.open(scratch / "said", os.O_CREAT | os.O_WRONLY)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(tree)
        os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        sys.dont_write_bytecode = True
        sys.path[0] = str(tree)
        if fresh_kernels:
            os.environ["NUMBA_CACHE_DIR"] = str(scratch / "kernels")
            importlib.import_module("numba").config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
        package = importlib.import_module("fedbytes").__file__ or ""
        if not Path(package).is_relative_to(tree):
            raise ImportError(f"fedbytes is imported from {package}, and not from {tree}")
        options = ["-x", "-q", "--tb=no", "-rfE", "-m", "", "-p", "no:cacheprovider"]
        options.append(f"--basetemp={scratch / 'temporary'}")
        status = int(importlib.import_module("pytest").main([*options, *tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int) -> int:
    """Return the exit status of a child, which is stopped with its own children if it is late."""
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _TOO_LONG


def _first_failure(said: str) -> str:
    """Return the node id of the test that failed first, without its parameters."""
    found = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - |$)", said, re.M)
    return f"`{found[1].split('[')[0].removeprefix('tests/')}`" if found else "an error"


def _require_passing(tree: Path, faults: list[Fault]) -> None:
    tests = tuple(sorted({test for fault in faults for test in fault.tests}))
    status, said = run_tests(tree, tests, fresh_kernels=False)
    if status != _PASSED:
        sys.exit(f"tests fail without any fault\n{said}")


def _chosen(faults: list[Fault], names: list[str]) -> list[Fault]:
    unknown = set(names) - {fault.name for fault in faults}
    if unknown:
        sys.exit(f"no fault is named {', '.join(sorted(unknown))}")
    return [fault for fault in faults if not names or fault.name in names]


def _write(caught: dict[str, str]) -> None:
    """Write the page: new rows for what was planted, the old ones for the rest."""
    page = PAGE.read_text(encoding="utf-8")
    old = rows(page)
    new = [
        row(fault, caught[fault.name] or "**nothing**") if fault.name in caught else old[fault.name]
        for fault in read_faults()
        if fault.name in caught or fault.name in old
    ]
    PAGE.write_text(with_rows(page, new), encoding="utf-8")


if __name__ == "__main__":
    main()
