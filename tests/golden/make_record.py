"""Write `record.json` anew, for this processor and, where it can be had, for AVX2 alone."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import record
from configurations import CONFIGURATIONS, CUTS, RESUMED, STORES

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
    from observe import codec_lines, codec_name, codec_specs, partition_lines, run_lines
    from processor import fingerprint

    torch.set_num_threads(1)
    here = Path.cwd()
    write_texts(here)
    shutil.copytree(STORES / "interrupted", here / "interrupted")
    lines = record.over("partition", partition_lines())
    for spec in codec_specs():
        lines |= record.over(codec_name(spec), codec_lines(spec))
    runs = [(name, name, "store") for name in CONFIGURATIONS]
    runs += [(name + RESUMED, name, "interrupted") for name in CUTS]
    for run, name, store in runs:
        anywhere, own = run_lines(CONFIGURATIONS[name], here / store)
        lines |= record.over(f"run {run}", anywhere)
        lines |= record.over(f"on {fingerprint()} {run}", own)
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
    new = record.merge(old, made) | record.over("store", record.under(old, "store"))
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
