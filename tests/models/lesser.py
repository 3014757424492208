"""Runs a test's own code on a lesser processor: the libraries are told to use less of this one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

PROCESSORS = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "sse4": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
SCRIPT = """
import sys
sys.path[:0] = {paths!r}
import torch
from {module} import {function}
torch.save({function}(**{fields!r}), {path!r})
"""


def on_processor(name: str, folder: Path, module: str, function: str, **fields: Any) -> Any:
    """Return what a function of a test module returns where oneDNN and torch know one so old."""
    path = folder / f"{name}.pt"
    here = Path(__file__).parent
    paths = [str(here / "base"), str(here), str(here.parents[1])]
    script = SCRIPT.format(
        paths=paths, module=module, function=function, fields=fields, path=str(path)
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | PROCESSORS[name],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(path)
