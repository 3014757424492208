"""`lora_klt` on deltas that it was not developed on: other texts, another loss, few local steps.

    python benchmarks/klt_heldout.py FOLDER OUT   # ten minutes on one core; FOLDER keeps captures

SmolLM2-135M is adapted as a language model to three kinds of text that none of the captures of
`lora_deltas.py` has, with 1, 3 or 6 local steps, where those have 12. What clients would have sent
in round 2 is coded at the rates of the page's table. OUT/heldout.csv has every message,
OUT/heldout.md the means beside the row of `study_lora.py`, OUT/heldout.json where they come from.
"""

import json
import pydoc_data.topics
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lora_deltas import capture

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.experiments.store.provenance import provenance

RATES = (0.25, 0.5, 1.2)
RANKS_AND_STEPS = ((8, 1), (8, 3), (8, 6), (32, 3))
ROUND = 2
REFERENCE = "reference.txt"
ROWS = {"max_length": 48, "pack": True, "max_test_examples": 8}
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dialogue": ("lines of the series Friends", {"name": "friends", "max_train_examples": 240}),
    "code": (
        "the source of Python's asyncio",
        {
            "name": "text",
            "path": f"{sysconfig.get_paths()['stdlib']}/asyncio/*.py",
            "documents": "lines",
            "lines_per_document": 4,
            "max_train_examples": 100,
        },
    ),
    "reference": (
        "Python's language reference",
        {"name": "text", "documents": "paragraph", "max_train_examples": 100},
    ),
}


def settings(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the configuration of every setting."""
    for text, (_, task) in TEXTS.items():
        path = {"path": str(folder / REFERENCE)} if text == "reference" else {}
        for rank, steps in RANKS_AND_STEPS:
            yield (
                f"{text}-r{rank}-s{steps}",
                {
                    "task": task | path | ROWS,
                    "model": {"name": "smollm2-135m"},
                    "adapter": {"name": "lora", "layers": 4, "rank": rank},
                    "algorithm": {
                        "name": "fedavg",
                        "local_steps": steps,
                        "batch_size": 4,
                        "learning_rate": 1e-3,
                    },
                    "partition": {"name": "iid", "num_clients": 20},
                    "clients_per_round": 3,
                    "rounds": ROUND,
                    "initial": "seed",
                },
            )


def captured(folder: Path, name: str, config: dict[str, Any]) -> tuple[Layout, dict[str, Any]]:
    """Return the layout and the clients' deltas of a setting, run if FOLDER does not have it."""
    path = folder / f"{name}.npz"
    if not path.exists():
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **capture(config, (ROUND,)))
        partial.rename(path)
    with np.load(path) as kept:
        layout = Layout({n: tuple(s) for n, s in json.loads(str(kept["layout"])).items()})
        return layout, {n: kept[n] for n in kept.files if "/client" in n}


def coded(layout: Layout, x: np.ndarray, bits: float) -> dict[str, Any]:
    """Return the size and the error of one message, and the seconds that it took on one core."""
    codec, shared, given = make_codec("lora_klt", bits=bits), Shared(layout), torch.from_numpy(x)
    began = time.process_time()
    data = codec.encode(given, shared)
    between = time.process_time()
    y = codec.decode(data, shared).numpy()
    ended = time.process_time()
    wide = x.astype(np.float64)
    return {
        "asked": bits,
        "numel": x.size,
        "bytes": len(data),
        "bits": 8 * len(data) / x.size,
        "nmse": float(((y - wide) ** 2).sum() / (wide**2).sum()),
        "encode_seconds_per_million": (between - began) / x.size * 1e6,
        "decode_seconds_per_million": (ended - between) / x.size * 1e6,
    }


def geometric(values: pd.Series) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(values).mean()))


def table(found: pd.DataFrame, study: pd.DataFrame) -> str:
    """Return the page: a row for each setting, the range, and the row of the study's captures."""
    lines = [
        "# lora_klt on deltas held out",
        "",
        "SmolLM2-135M as a language model, LoRA on the top 4 layers, 20 iid clients, 3 a round, "
        "AdamW,",
        f"round {ROUND}. NMSE of clients' deltas, geometric means, all bytes counted; in brackets "
        "the bits that",
        "messages really take, where that is over 5 % beside what was asked.",
        "",
        "| text | rank | local steps | " + " | ".join(f"{rate:g} bit" for rate in RATES) + " |",
        "|---|---|---|" + "---|" * len(RATES),
    ]
    for (text, rank, steps), part in found.groupby(["text", "rank", "steps"], sort=False):
        lines.append(f"| {TEXTS[str(text)][0]} | {rank} | {steps} | {cells(part)} |")
    low, high = (
        " | ".join(f"{pick(found[found.asked == rate].nmse):.3g}" for rate in RATES)
        for pick in (min, max)
    )
    own = study[(study.family == "smollm2") & (study.codec == "lora_klt")]
    own = own[own.sender != "update"]
    over = found.assign(ratio=found.bits / found.asked).groupby("asked").ratio.max()
    missed = ", ".join(f"{ratio - 1:.0%} at {asked:g} bit" for asked, ratio in over.items())
    rate = found.encode_seconds_per_million
    lines += [
        f"| all: least | | | {low} |",
        f"| all: most | | | {high} |",
        f"| the study's SmolLM2 captures, 12 steps | | | {cells(own)} |",
        "",
        f"{len(found)} messages of {found.numel.min():,} to {found.numel.max():,} numbers. The "
        "most that one is longer than",
        f"was asked: {missed}.",
        f"Encoding took {rate.min():.2g} to {rate.max():.2g} (median {rate.median():.2g}) seconds "
        "of one core per million numbers,",
        f"decoding {found.decode_seconds_per_million.median():.2g}.",
    ]
    return "\n".join(lines) + "\n"


def cells(part: pd.DataFrame) -> str:
    """Return the mean at every rate, and the bits where they are not what was asked."""
    found = []
    for asked in RATES:
        rows = part[part.asked == asked]
        bits = rows.bits.mean()
        missed = abs(bits / asked - 1) > 0.05
        found.append(f"{geometric(rows.nmse):.3g}" + (f" ({bits:.2f})" if missed else ""))
    return " | ".join(found)


def main(folder: Path, out: Path) -> None:
    """Capture, code and write."""
    origin = provenance()  # before the results change the tree
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REFERENCE).write_text("\n\n".join(pydoc_data.topics.topics.values()))
    coded(Layout({"x": (1024,)}), np.ones(1024, dtype=np.float32), 1.2)  # compiles the loops
    rows = []
    for name, config in settings(folder):
        layout, deltas = captured(folder, name, config)
        text, rank, steps = name.split("-")
        known = {"text": text, "rank": int(rank[1:]), "steps": int(steps[1:])}
        for delta in deltas.values():
            rows += [known | coded(layout, delta, rate) for rate in RATES]
        print(name, cells(pd.DataFrame(rows[-len(deltas) * len(RATES) :])), flush=True)
    found = pd.DataFrame(rows)
    found.to_csv(out / "heldout.csv", index=False, float_format="%.6g")
    study = pd.read_csv(out / "measured.csv", dtype={"alpha": str})
    (out / "heldout.md").write_text(table(found, study))
    (out / "heldout.json").write_text(json.dumps(origin, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
