"""Decoding in a new interpreter, from the bytes, the specification and `Shared` alone."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedbytes.compression.codec import Codec, Floats, codec_spec
from fedbytes.compression.layout import Shared

_CHILD = """
import importlib.util, json, sys, torch
from fedbytes.compression import Layout, Shared, make_codec
task = json.load(sys.stdin)
if task["source"]:
    spec = importlib.util.spec_from_file_location("checked_codec", task["source"])
    module = importlib.util.module_from_spec(spec)
    sys.modules["checked_codec"] = module
    spec.loader.exec_module(module)
out = []
for case in task["cases"]:
    shared = Shared(Layout(case["shapes"]), **case["shared"])
    y = make_codec(case["spec"]).decode(bytes.fromhex(case["data"]), shared)
    out.append(y.numpy().tobytes().hex())
print("decoded", json.dumps(out))
"""


def decode_in_fresh_process(
    cases: Sequence[tuple[Codec, bytes, Shared]], source: Path | None = None
) -> list[Floats]:
    """Decode in a new interpreter, from the bytes, the specification and `Shared` alone.

    Raises:
        RuntimeError: with the interpreter's error output, if it fails.
    """
    task = {
        "source": str(source) if source else None,
        "cases": [
            {
                "spec": codec_spec(codec),
                "shapes": shared.layout.shapes,
                "shared": {
                    "seed": shared.seed,
                    "round": shared.round,
                    "sender": shared.sender,
                },
                "data": data.hex(),
            }
            for codec, data, shared in cases
        ],
    }
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"decoding in a new process failed: {done.stderr.strip()[-500:]}")
    lines = done.stdout.rpartition("decoded ")[2]
    return [np.frombuffer(bytes.fromhex(text), np.float32) for text in json.loads(lines)]
