"""Our codecs beside the peers': the same vectors, true serialised bytes, distortion, speed.

    python benchmarks/codec_peers/run.py [--out docs/results/codecs] [--repeats 5]
    python benchmarks/codec_peers/run.py --redraw --out docs/results/codecs    # the figure alone

It makes an environment of its own for the peers below the user's cache folder (about 1.3 GB, once,
from the package index), measures everything on one thread of the same machine, prints one table,
and with --out writes it as Markdown and CSV, with one rate-distortion figure.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.measurement.codec_measures import measure_vector
from fedbytes.compression.testing.sample_vectors import draw_vector
from fedbytes.experiments.store.provenance import provenance
from fedbytes.labels import short_label
from fedbytes.plots.codec_survey.rate_distortion import draw_rate_distortion
from fedbytes.plots.style import save_figure

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from peer_environment import peer_environment  # noqa: E402 - it lies beside this folder

MILLION, TENSORS, SHAPE = 1_000_000, 240, (16, 256)
VECTORS = {
    "gauss": "Gaussian",
    "t3": "Student-t, 3 degrees of freedom",
    "lora": "Gaussian, 240 tensors of 16 x 256",
}
OURS: tuple[dict[str, Any], ...] = (
    {"name": "int", "bits": 8},
    {"name": "int", "bits": 4},
    {"name": "nf4"},
    {"name": "nf4", "double_quant": True},
    *({"name": "ecsq", "bits": bits} for bits in (0.5, 1.0, 2.0, 4.0, 8.0)),
    *({"name": "tcq", "bits": bits} for bits in (1.0, 2.0, 4.0)),
    *({"name": "eden", "bits": bits} for bits in (1, 2, 4)),
    {"name": "qsgd"},
    {"name": "topk", "density": 0.01},
    {"name": "topk", "density": 0.1, "bits": 8},
    {"name": "powersgd", "rank": 4},
)


def main() -> None:
    options = _options()
    if options.redraw:
        _draw(pd.read_csv(options.out / "peers.csv"), options.out)
        return
    torch.set_num_threads(1)
    vectors = {name: _vector(name) for name in VECTORS}
    found = _peers(vectors, options.repeats)
    rows = pd.DataFrame([*_ours(vectors, options.repeats), *found["rows"]])
    rows["numel"] = rows["vector"].map({name: x.size for name, x in vectors.items()})
    rows["bits_handed"] = 8 * rows["handed_bytes"] / rows["numel"]
    rows["bits_packed"] = 8 * rows["packed_bytes"] / rows["numel"]
    text = _markdown(rows)
    print(text)
    if options.out:
        _write(rows, text, found["versions"], options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for table, rows and figure")
    parser.add_argument("--repeats", type=int, default=5, help="timed repetitions; fastest counts")
    parser.add_argument("--redraw", action="store_true", help="draw from the rows in --out alone")
    options = parser.parse_args()
    if options.redraw and options.out is None:
        parser.error("--redraw needs --out, the folder with peers.csv")
    return options


def _vector(name: str) -> np.ndarray:
    generator = np.random.default_rng(list(VECTORS).index(name))
    size = TENSORS * SHAPE[0] * SHAPE[1] if name == "lora" else MILLION
    return draw_vector("t3" if name == "t3" else "gauss", size, generator)


def _layout(name: str, numel: int) -> Layout:
    if name == "lora":
        return Layout({f"layer.{i}": SHAPE for i in range(TENSORS)})
    return Layout({"x": (1000, numel // 1000)})


def _ours(vectors: dict[str, np.ndarray], repeats: int) -> list[dict[str, Any]]:
    rows = []
    for name, vector in vectors.items():
        for spec in OURS:
            codec, shared = make_codec(spec), Shared(_layout(name, vector.size))
            found = measure_vector(codec, torch.from_numpy(vector), shared, repeats)
            size = found["bits_per_coordinate"] * vector.size / 8
            rows.append(
                {
                    "peer": "fedbytes",
                    "setting": short_label(codec),
                    "vector": name,
                    "handed_bytes": size,
                    "packed_bytes": size,
                    **{key: found[key] for key in ("nmse", "encode_mb_s", "decode_mb_s")},
                }
            )
    return rows


def _peers(vectors: dict[str, np.ndarray], repeats: int) -> dict[str, Any]:
    python = peer_environment("codec-peers", HERE / "requirements.txt", "fedlab==1.3.0")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "vectors.npz"
        np.savez(path, **vectors)
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(
            [python, "worker.py", path, str(repeats)],
            cwd=HERE,
            env=os.environ | threads,
            stdout=subprocess.PIPE,
            check=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.decode().rpartition("\n")[2])
    return found


def _markdown(rows: pd.DataFrame) -> str:
    lines = []
    columns = ("Who", "Setting", "Bits handed over", "Bits packed", "NMSE", "Encode, MB/s")
    head = "| " + " | ".join((*columns, "Decode, MB/s")) + " |"
    for name, title in VECTORS.items():
        lines += [f"### {title}", "", head, "|" + " --- |" * (len(columns) + 1)]
        for row in rows[rows["vector"] == name].to_dict("records"):
            start = f"| {row['peer']} | {row['setting']} | "
            if isinstance(row.get("fault"), str):
                lines.append(f"{start}{row['fault']} | | | | |")
                continue
            lines.append(
                f"{start}{row['bits_handed']:.3f} | {row['bits_packed']:.3f} | {row['nmse']:.3g} | "
                f"{row['encode_mb_s']:.0f} | {row['decode_mb_s']:.0f} |"
            )
        lines.append("")
    return "\n".join(lines)


def _write(rows: pd.DataFrame, text: str, versions: dict[str, str], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.md").write_text(text, encoding="utf-8")
    rows.to_csv(out / "peers.csv", index=False, float_format="%.6g")
    origin = provenance() | {"peers": versions}
    (out / "peers-provenance.json").write_text(json.dumps(origin, indent=1) + "\n")
    _draw(rows, out)


def _draw(rows: pd.DataFrame, out: Path) -> None:
    drawn = rows[rows["vector"] != "lora"].rename(
        columns={"vector": "distribution", "bits_handed": "bits_per_coordinate"}
    )
    lines = {"ecsq", "tcq", "topk", "eden", "nf4", "int"}
    first = drawn["setting"].str.split().str[0]
    mine = drawn["peer"] == "fedbytes"
    drawn["series"] = np.where(mine, "fedbytes " + first, drawn["peer"])
    drawn = drawn[~mine | first.isin(lines)]
    note = "Bits are what is handed to the transport, containers and wide indices included."
    peers = set(drawn.loc[drawn["peer"] != "fedbytes", "series"])
    figure = draw_rate_distortion(drawn, series="series", note_text=note, peers=peers)
    save_figure(figure, out, "peers")


if __name__ == "__main__":
    main()
