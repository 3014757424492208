"""What a rule makes of one round's messages under attack, behind codecs and their memories.

    python benchmarks/robust_messages.py [--out DIR] [--seeds 0 1 2 3 4] [--alphas 1 0.1]

Twenty clients train MiniLM with LoRA on Reuters R8 for four rounds, each from the model that the
honest mean has made, so that all codecs, attacks and rules see the same deltas. Four clients are
hostile. In the last round every rule aggregates what the server decoded, and its error is the
distance to the mean of the honest deltas as they were trained, in the norm of that mean: 0 is
perfect, 1 is as bad as standing still. No model is trained on what a rule returns: this is about
messages, not accuracy. Writes a row for each value, and two tables, into DIR
(docs/results/robust/messages).
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fedbytes.compression import make_codec
from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.experiments.store.provenance import provenance
from fedbytes.federated import Trained, Upload, make_plugins
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.plugins.stage_context import StageContext
from fedbytes.federated.stages.attackers import draw_attackers
from fedbytes.plots import t_interval
from fedbytes.streams import stream

ROUNDS, F = 4, 4
ATTACKS: dict[str, Any] = {
    "no attack": None,
    "sign_flip 5": {"name": "sign_flip", "scale": 5},
    "ipm 0.5": {"name": "ipm", "tau": 0.5},
    "alie 1.5": {"name": "alie", "z": 1.5},
}
COARSE = {"name": "qsgd", "levels": 4, "bucket": 32}
SPARSE = {"name": "topk", "density": 0.05, "bits": 8}
CODECS: dict[str, tuple[Any, str]] = {
    "fp32": ("fp32", "none"),
    "thc 4 bit": ({"name": "thc", "bits": 4}, "none"),
    "ecsq 1.5 bit + EF": ({"name": "ecsq", "bits": 1.5}, "ef14"),
    "qsgd": (COARSE, "none"),
    "qsgd + EF21": (COARSE, "ef21"),
    "top-5 %": (SPARSE, "none"),
    "top-5 % + EF": (SPARSE, "ef14"),
    "top-5 % + EF21": (SPARSE, "ef21"),
}
RULES: dict[str, Any] = {
    "mean": None,
    "NNM + trimmed mean": [{"name": "nnm", "f": F}, {"name": "trimmed_mean", "f": F}],
    "multi-Krum": {"name": "multi_krum", "f": F},
    "geometric median": "geometric_median",
    "median": "median",
}
PAIRS = [  # what is less than what
    ("qsgd", "fp32"),
    ("qsgd + EF21", "qsgd"),
    ("top-5 % + EF", "fp32"),
    ("top-5 % + EF21", "top-5 % + EF"),
    ("ecsq 1.5 bit + EF", "fp32"),
    ("thc 4 bit", "fp32"),
]


@dataclass
class Senders:
    """A codec and what each client's memory of it holds, of error feedback or of EF21."""

    spec: Any
    feedback: str
    memory: dict[int, Tensor] = field(default_factory=dict)
    bits: list[float] = field(default_factory=list)

    def decoded(self, client: int, delta: Tensor, shared: Any) -> Tensor:
        """Return what the server has of a client's delta after its message."""
        codec, held = make_codec(self.spec), self.memory.get(client, torch.zeros_like(delta))
        sign = {"none": 0.0, "ef14": 1.0, "ef21": -1.0}[self.feedback]
        data = codec.encode(delta + sign * held, shared)
        self.bits.append(8 * len(data) / len(delta))
        image = codec.decode(data, shared)
        if self.feedback == "ef14":
            self.memory[client] = delta + held - image
        if self.feedback == "ef21":
            image = held + image
            self.memory[client] = image
        return image


def rows(alpha: float, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the error of every rule behind every codec under every attack."""
    config = make_config(
        {
            "task": {"name": "reuters-r8", "max_length": 24},
            "adapter": {"name": "lora", "rank": 8, "layers": 1},
            "partition": {"name": "dirichlet_client", "alpha": alpha, "num_clients": 20},
            "algorithm": {
                "name": "fedavg", "local_steps": 2, "batch_size": 8, "learning_rate": 5e-3,
            },
            "seed": seed,
        }
    )  # fmt: skip
    fed = make_problem(config, Hooks()).federation
    attacks = {name: make_plugins(attack=spec).attack for name, spec in ATTACKS.items()}
    good = {c: Senders(*CODECS[c]) for c in CODECS}
    bad = {(a, c): Senders(*CODECS[c]) for a in ATTACKS for c in CODECS}
    hostile = draw_attackers(attacks["sign_flip 5"][0], fed.parts, seed)
    held = fed.algorithm.initial(fed.model, seed)
    for number in range(1, ROUNDS + 1):
        context = fed.context(number)
        trained = {
            c: fed.algorithm.train(
                context.for_client(c), held, fed.parts[c], {}, stream(seed, "batches", number, c)
            )
            for c in context.clients
        }
        honest = torch.stack([trained[c].delta for c in trained if c not in hostile]).double()
        mean = honest.mean(0)
        shared = {c: fed.shared_up(context.for_client(c), None) for c in context.clients}
        for name in CODECS:
            arrived = {
                c: good[name].decoded(c, one.delta, shared[c])
                for c, one in trained.items()
                if c not in hostile
            }
            for attack, acting in attacks.items():
                sent = _attacked(acting, trained, hostile, context, held)
                for c in hostile:
                    arrived[c] = bad[attack, name].decoded(c, sent[c].delta, shared[c])
                if number == ROUNDS:
                    uploads = [Upload(c, arrived[c], 1) for c in context.clients]
                    where = StageContext.of(context, held, "defense 0 benchmark")
                    for rule, spec in RULES.items():
                        yield {
                            "alpha": alpha, "seed": seed, "attack": attack, "codec": name,
                            "rule": rule, "bits": float(np.mean(good[name].bits)),
                        } | _compared(_aggregate(spec, uploads, where), mean)  # fmt: skip
        held = held + mean.float()


def _attacked(
    attack: Any, trained: dict[int, Trained], hostile: tuple[int, ...], context: Any, held: Tensor
) -> dict[int, Trained]:
    if not attack:
        return trained
    where = StageContext.of(context, held, "attack 0 benchmark")
    return trained | attack[0].act(trained, hostile, where, {})[0]


def _compared(found: Tensor, mean: Tensor) -> dict[str, float]:
    return {
        "error": float((found - mean).norm() / mean.norm()),
        "cosine": float(torch.nn.functional.cosine_similarity(found, mean, dim=0)),
    }


def _aggregate(spec: Any, uploads: list[Upload], where: StageContext) -> Tensor:
    """Return the mean, each client weighted alike, of what the rules leave."""
    for defense in make_plugins(defense=spec).defense:
        uploads, _ = defense.uploads(uploads, where, {})
    return torch.stack([upload.delta for upload in uploads]).double().mean(0)


def said(values: Any, sign: str = "") -> str:
    """Return a mean with its 95 % t interval."""
    found = t_interval(values)
    words = f"{found.mean:{sign}.2f} ± {found.half:.2f}" if found.n > 1 else f"{found.mean:.2f}"
    return words.replace("-", "−")


def tables(frame: pd.DataFrame) -> str:
    """Return the errors of all cells, and paired differences of codecs, as Markdown."""
    text = ""
    for alpha, part in frame.groupby("alpha", sort=False):
        text += f"\nα = {alpha:g}, n = {part['seed'].nunique()}: error\n\n"
        text += f"| attack | rule | {' | '.join(CODECS)} |\n|---|---|{'---|' * len(CODECS)}\n"
        for attack in ATTACKS:
            for rule in RULES:
                cell = part[(part["attack"] == attack) & (part["rule"] == rule)]
                found = [said(cell[cell["codec"] == codec]["error"]) for codec in CODECS]
                text += f"| {attack} | {rule} | {' | '.join(found)} |\n"
        text += "\nDifferences of the error, paired by seed\n\n| attack | codecs | "
        text += f"{' | '.join(RULES)} |\n|---|---|{'---|' * len(RULES)}\n"
        wide = part.pivot_table(index=["attack", "rule", "seed"], columns="codec", values="error")
        for attack in ATTACKS:
            for one, other in PAIRS:
                cells = [wide.loc[attack, rule] for rule in RULES]
                gaps = [said(cell[one] - cell[other], "+") for cell in cells]
                text += f"| {attack} | {one} less {other} | {' | '.join(gaps)} |\n"
    return text.lstrip("\n")


def main() -> None:
    """Measure, and write the rows and tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/results/robust/messages"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--alphas", type=float, nargs="+", default=[1.0, 0.1])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    path = asked.out / "rows.csv"
    frame = pd.read_csv(path) if path.exists() else pd.DataFrame()
    for alpha in asked.alphas:
        for seed in asked.seeds:
            if not frame.empty and ((frame["alpha"] == alpha) & (frame["seed"] == seed)).any():
                continue  # what an earlier call has measured
            frame = pd.concat([frame, pd.DataFrame(rows(alpha, seed))], ignore_index=True)
            frame.to_csv(path, index=False, float_format="%.6g")
            print(f"α = {alpha:g}, seed {seed}", flush=True)
    (asked.out / "table.md").write_text(tables(frame), encoding="utf-8")
    origin = json.dumps(provenance(), indent=2, default=str) + "\n"
    (asked.out / "provenance.json").write_text(origin, encoding="utf-8")
    print(tables(frame))


if __name__ == "__main__":
    main()
