"""Write `record.json` anew, for this processor and, where it can be had, for AVX2 alone."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import record
from configurations import CONFIGURATIONS

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
}


def observe() -> record.Lines:
    """Return everything that is observed in this process, in a fresh folder."""
    import torch
    from inputs import write_texts
    from observe import codec_lines, codec_specs, partition_lines, run_lines
    from processor import fingerprint

    torch.set_num_threads(1)
    processor = fingerprint()
    lines = partition_lines()
    for spec in codec_specs():
        lines |= codec_lines(spec)
    folder = Path.cwd()
    write_texts(folder)
    for run, fields in CONFIGURATIONS.items():
        anywhere, here = run_lines(fields, folder / "store")
        lines |= {f"run {run} {name}": value for name, value in anywhere.items()}
        lines |= {f"on {processor} {run} {name}": value for name, value in here.items()}
    return lines


def observe_in(settings: dict[str, str]) -> record.Lines:
    """Return what a process of its own observes under environment variables."""
    root = str(Path(__file__).parents[2])
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "PYTHONPATH": root,
            "OMP_NUM_THREADS": "1",
            "FEDBYTES_HOME": folder + "/home",
        }
        done = subprocess.run(
            [sys.executable, __file__, "--observe"],
            cwd=folder,
            env=environment | settings,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    lines: record.Lines = json.loads(done.stdout.splitlines()[-1])
    return lines


def main() -> None:
    made: record.Lines = {}
    for settings in ({}, AVX2):
        lines = observe_in(settings)
        anywhere = {name: v for name, v in lines.items() if not name.startswith("on ")}
        first = {name: v for name, v in made.items() if not name.startswith("on ")} or anywhere
        wrong = record.differ(anywhere, first)
        if wrong:
            raise SystemExit("\n".join(["not the same on every processor:", *wrong]))
        made |= lines
        print(f"made on {', '.join(record.processors(lines))}")
    old = record.read()
    stores = {name: value for name, value in old.items() if name.startswith("store ")}
    new = record.merge(old, made) | stores
    record.write(new)
    changed = sorted(n for n in new.keys() | old.keys() if new.get(n) != old.get(n))
    print(f"{len(new)} entries, {len(changed)} of them changed, added or dropped")
    for name in changed[:40]:
        print(" ", name)


if __name__ == "__main__":
    if "--observe" in sys.argv:
        print(json.dumps(observe()))
    else:
        main()
