"""Runs a test's own code in several processes of torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = """
import os, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import torch
from {module} import {function}
rank = os.environ["RANK"]
torch.save({function}(**{fields!r}), Path({folder!r}) / f"{{rank}}.pt")
"""


def in_processes(count: int, folder: Path, module: str, function: str, **fields):
    """Return what a function of a test module returns in each of `count` processes."""
    here = Path(__file__).parent
    paths = [str(here / "distributed"), str(here), str(here.parents[1])]
    script = folder / "script.py"
    script.write_text(
        SCRIPT.format(
            paths=paths, module=module, function=function, fields=fields, folder=str(folder)
        ),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", str(count), str(script)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]
