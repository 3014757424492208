"""How far `lora_klt` goes on real LoRA deltas, beside other codecs: a table and figures.

    python benchmarks/study_lora.py measure FOLDER OUT   # every capture of lora_deltas.py
    python benchmarks/study_lora.py draw OUT             # figures and table from OUT/measured.csv

Every figure is len(bytes) of what `encode` returned, and the error of what `decode` made of it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.plots.method_looks import LineStyle, assign_line_styles
from fedbytes.plots.style import (
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    name_values,
    save_figure,
    styled,
)

RATES = (0.25, 0.5, 1.2)
TARGETS = {0.25: (0.25, 0.15), 0.5: (0.18, 0.09), 1.2: (0.07, 0.03)}  # at least, aim
CODECS: list[dict[str, Any]] = [
    *[{"name": "lora_klt", "bits": bits} for bits in RATES],
    *[{"name": "lora_klt", "bits": bits, "basis": "reference"} for bits in RATES],
    *[{"name": "ecsq", "bits": bits} for bits in RATES],
    *[{"name": "eden", "bits": bits, "scale": "biased"} for bits in RATES],
    *[{"name": "topk", "density": density, "bits": 4} for density in (0.03, 0.06, 0.15)],
    {"name": "nf4"},
]
LABELS = {"own": "lora_klt", "reference": "lora_klt, basis reference"}
DRAWN = ("lora_klt", "lora_klt, basis reference", "ecsq", "eden", "topk", "nf4")
ALPHAS = ("0.1", "1", "iid")
FAMILY_NAMES = {
    "minilm": "MiniLM (BERT)",
    "gpt2": "GPT-2, small, pretrained here",
    "smollm2": "SmolLM2-135M (Llama)",
}


def measure(folder: Path, out: Path) -> None:
    """Add to OUT/measured.csv what is not there yet of every captured delta and codec."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "measured.csv"
    there = pd.read_csv(file, dtype={"alpha": str}) if file.exists() else pd.DataFrame()
    for path in sorted(folder.glob("*-r*-*.npz"), key=lambda path: path.stat().st_size):
        family, rank, alpha = path.stem.split("-")
        known = {"family": family, "rank": int(rank[1:]), "alpha": alpha.removeprefix("a")}
        done = set()
        if not there.empty:
            same = (there[list(known)] == list(known.values())).all(axis=1)
            done = set(there[same].spec)
        specs = [spec for spec in CODECS if json.dumps(spec) not in done]
        if ".partial" in path.name or not specs:
            continue
        with np.load(path) as kept:
            layout = Layout({n: tuple(s) for n, s in json.loads(str(kept["layout"])).items()})
            arrays = {name: kept[name] for name in kept.files if "/" in name}
        rows: list[dict[str, Any]] = []
        for name, x in _chosen(arrays).items():
            round_, who = name.split("/")
            shared = Shared(
                layout,
                round=int(round_.removeprefix("round")),
                reference=torch.from_numpy(arrays[f"{round_}/reference"]),
            )
            place = known | {"round": shared.round, "sender": who}
            rows += [place | _one(spec, x, shared) for spec in specs]
        there = pd.concat([there, pd.DataFrame(rows)])
        there.to_csv(file, index=False, float_format="%.6g")
        print(path.stem, flush=True)


def _chosen(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return of each round one client's delta and the global update."""
    chosen = {}
    for round_ in sorted({name.split("/")[0] for name in arrays}):
        client = next(name for name in arrays if name.startswith(f"{round_}/client"))
        chosen |= {name: arrays[name] for name in (client, f"{round_}/update")}
    return chosen


def _one(spec: dict[str, Any], x: np.ndarray, shared: Shared) -> dict[str, Any]:
    codec, given = make_codec(spec), torch.from_numpy(x)
    start = time.perf_counter()
    data = codec.encode(given, shared)
    middle = time.perf_counter()
    y = codec.decode(data, shared).numpy()
    end = time.perf_counter()
    wide = x.astype(np.float64)
    return {
        "codec": LABELS[codec.basis] if spec["name"] == "lora_klt" else spec["name"],
        "spec": json.dumps(spec),
        "asked": spec.get("bits") if spec["name"] != "topk" else None,
        "numel": x.size,
        "bytes": len(data),
        "bits": 8 * len(data) / x.size,
        "nmse": float(((y - wide) ** 2).sum() / (wide**2).sum()),
        "kurtosis": float((wide**4).mean() / (wide**2).mean() ** 2),
        "encode_seconds": middle - start,
        "decode_seconds": end - middle,
    }


def draw(out: Path) -> None:
    """Draw OUT/<family>.png, .svg and .pdf, and write OUT/table.md."""
    found = pd.read_csv(out / "measured.csv", dtype={"alpha": str})
    uplink = found[found.sender != "update"]
    for family, part in uplink.groupby("family"):
        _figure(out, str(family), part)
    (out / "table.md").write_text(_table(found))


def _figure(out: Path, family: str, part: pd.DataFrame) -> None:
    ranks = sorted(part["rank"].unique())
    alphas = [alpha for alpha in ALPHAS if alpha in set(part.alpha)]
    places = [(alpha, rank) for alpha in alphas for rank in ranks]
    parts = [part[(part.alpha == alpha) & (part["rank"] == rank)] for alpha, rank in places]
    titles = [
        f"rank {rank}, {'iid' if alpha == 'iid' else f'α = {alpha}'}\nn = {_count(found)}"
        for (alpha, rank), found in zip(places, parts, strict=True)
    ]
    save_figure(_draw(titles, parts, len(ranks), FAMILY_NAMES[family]), out, family)


def _count(part: pd.DataFrame) -> int:
    """Return of how many deltas each mean is: those that one codec had."""
    return int(part.groupby("spec").size().max()) if len(part) else 0


@styled
def _draw(titles: list[str], parts: list[pd.DataFrame], columns: int, family: str) -> Figure:
    figure, axes = make_panels(titles, 2.1, columns, sharex=True, sharey=True)
    styles = assign_line_styles(DRAWN, None)
    for axis, part in zip(axes, parts, strict=True):
        _panel(axis, part, styles)
    label_bottom(axes, "Bits a coordinate, all bytes", columns)
    name_values(figure, "NMSE")
    bar = Line2D([], [], color="0.3", linewidth=3, alpha=0.35, label="wanted: at least, aim")
    dotted = Line2D([], [], color="0.6", linestyle=":", label="Gaussian D(R), i.i.d.")
    add_legend(figure, [*(styles[codec].handle(codec) for codec in DRAWN), dotted, bar])
    add_headline(figure, f"{family} · LoRA deltas of clients")
    add_note(
        figure,
        "Geometric means over n deltas; bars: from the least to the greatest of nine in ten. "
        "Encoding beyond 5 % of the rate asked for is left out.",
    )
    return figure


def _panel(axes: Any, part: pd.DataFrame, styles: dict[str, LineStyle]) -> None:
    rates = np.linspace(0.05, 5, 100)
    axes.plot(rates, 4.0**-rates, color="0.6", lw=0.8, ls=":")
    for codec, style in styles.items():
        rows = part[(part.codec == codec) & ~((part.bits / part.asked - 1).abs() > 0.05)]
        if rows.empty:
            continue
        groups = rows.groupby("spec")
        means = groups[["bits", "nmse"]].agg({"bits": "mean", "nmse": _geometric})
        spread = groups["nmse"].quantile([0.05, 0.95]).unstack().loc[means.index]
        axes.vlines(means.bits, spread[0.05], spread[0.95], color=style.color, lw=0.7, alpha=0.6)
        means = means.sort_values("bits")
        axes.plot(
            means.bits, means.nmse, color=style.color, linestyle=style.linestyle,
            marker=style.marker, ms=3.5, lw=1.1,
            markerfacecolor="none" if "reference" in codec else style.color,
        )  # fmt: skip
    for rate, (least, aim) in TARGETS.items():
        axes.plot([rate, rate], [least, aim], color="0.3", lw=3, alpha=0.35)
    axes.set(xscale="log", yscale="log", xlim=(0.15, 6), ylim=(3e-4, 1.1))
    ticks = (0.25, 0.5, 1, 2, 4)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _geometric(values: pd.Series) -> float:
    return float(np.exp(np.log(values).mean()))


def _table(found: pd.DataFrame) -> str:
    ours = found[found.codec.str.startswith("lora_klt") | (found.codec == "ecsq")]
    ours = ours[ours.asked.isin(RATES)]
    lines = [
        "NMSE (geometric mean over the captured deltas) at 0.25 / 0.5 / 1.2 bit, all bytes.",
        "Messages that missed the asked rate by more than 5 % (some of ecsq's) are left out.",
        "",
        "| family | rank | α | lora_klt | basis reference | ecsq | lora_klt, global update |",
        "|---|---|---|---|---|---|---|",
    ]
    order = {family: place for place, family in enumerate(FAMILY_NAMES)}
    groups = sorted(ours.groupby(["family", "rank", "alpha"]), key=lambda g: (order[g[0][0]], g[0]))
    for (family, rank, alpha), part in groups:
        up, down = part[part.sender != "update"], part[part.sender == "update"]
        cells = [
            _rates(up[up.codec == LABELS["own"]]),
            _rates(up[up.codec == LABELS["reference"]]),
            _rates(up[up.codec == "ecsq"]),
            _rates(down[down.codec == LABELS["own"]]),
        ]
        lines.append(f"| {family} | {rank} | {alpha} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _rates(part: pd.DataFrame) -> str:
    part = part[(part.bits / part.asked - 1).abs() < 0.05]  # what met the rate
    found = [part[part.asked == rate].nmse for rate in RATES]
    return " / ".join(f"{_geometric(nmse):.3f}" if nmse.size else "–" for nmse in found)


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        draw(Path(sys.argv[2]))
