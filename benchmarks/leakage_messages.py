"""What one message gives away, by codec and by how the client trained: the same deltas behind all.

    python benchmarks/leakage_messages.py [--out DIR] [--seeds 0 1] [--clients 2] [--settings ...]

Ten clients train MiniLM, or SmolLM2 where a setting says so, on Reuters R8 for seven rounds, over
fp32 links. In the eighth, some of them train as the setting says (batch size, local steps,
optimiser, and what is trained: whole matrices or LoRA in the first layer, all weights, a soft
prompt, LoRA or Fed-SB in the last layer), each delta is coded by every codec, and the audits that
suit it rebuild the texts from the bytes.
So codecs are compared on the same deltas, and no model is trained on what they lose. A row for each
message, codec and audit goes to DIR/messages.csv as soon as it is there.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.experiments.store.provenance import provenance
from fedbytes.federated import (
    AuditTruth,
    Federation,
    Heard,
    Hooks,
    Simulation,
    StageContext,
    make_algorithm,
    make_audit,
    make_link,
)
from fedbytes.federated.protocol.messages import frame_vector
from fedbytes.plots import Tables, make_figure, save_figure

SCRIPT = "benchmarks/leakage_messages.py"
ROUND = 8
WHOLE = {"name": "matrices", "targets": ["query", "key", "value"], "layers": [0]}
LORA = {"name": "lora", "targets": ["query", "value"], "layers": [0]}
DECODER = {"name": "matrices", "targets": ["q_proj", "k_proj", "v_proj"], "layers": [0, 1]}
"""Of a decoder two layers, of which the second tells the order of the words."""
FULL, PROMPT = {"name": "full"}, {"name": "prompt_tuning", "length": 8}
TOP = {"name": "lora", "rank": 8, "layers": 1}
STEP = {"local_steps": 1, "optimizer": "sgd", "learning_rate": 5e-3}
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "batch 1": (WHOLE, STEP | {"batch_size": 1}),
    "batch 2": (WHOLE, STEP | {"batch_size": 2}),
    "batch 4": (WHOLE, STEP | {"batch_size": 4}),
    "batch 8": (WHOLE, STEP | {"batch_size": 8}),
    "4 steps of 1": (WHOLE, STEP | {"batch_size": 1, "local_steps": 4}),
    "AdamW": (WHOLE, {"batch_size": 1, "local_steps": 1, "optimizer": "adamw",
                      "learning_rate": 1e-3}),
    "LoRA 8": (LORA | {"rank": 8}, STEP | {"batch_size": 1}),
    "LoRA 64": (LORA | {"rank": 64}, STEP | {"batch_size": 1}),
    "all weights, batch 4": (FULL, STEP | {"batch_size": 4}),
    "soft prompt": (PROMPT, STEP | {"batch_size": 1}),
    "LoRA on top": (TOP, STEP | {"batch_size": 1}),
    "Fed-SB on top": (TOP, STEP | {"batch_size": 1, "name": "fed_sb", "init": "weights"}),
    "SmolLM2, batch 1": (DECODER, STEP | {"batch_size": 1}),
    "SmolLM2, batch 4": (DECODER, STEP | {"batch_size": 4}),
}  # fmt: skip
CODECS: dict[str, Any] = {
    "fp32": "fp32",
    "int 8": {"name": "int", "bits": 8},
    "nf4": "nf4",
    "ecsq 1": {"name": "ecsq", "bits": 1.0},
    "top-k 1 %": {"name": "topk", "density": 0.01, "bits": 8},
    "top-k 0.1 %": {"name": "topk", "density": 0.001, "bits": 8},
    "ecsq 0.3": {"name": "ecsq", "bits": 0.3},
    "ecsq 0.1": {"name": "ecsq", "bits": 0.1},
    "signsgd": "signsgd",
    "int 4": {"name": "int", "bits": 4},
    "int 2": {"name": "int", "bits": 2},
    "top-k 10 %": {"name": "topk", "density": 0.1, "bits": 8},
    "ecsq 2": {"name": "ecsq", "bits": 2.0},
    "top-k 0.01 %": {"name": "topk", "density": 0.0001, "bits": 8},
}
AUDITS: dict[str, tuple[str, ...]] = {
    "batch 1": ("span", "match", "invert"),
    "LoRA 8": ("span", "omp"),
    "LoRA 64": ("span", "omp"),
    "all weights, batch 4": ("rows",),
    "soft prompt": ("match", "invert"),
    "LoRA on top": ("match", "invert"),
    "Fed-SB on top": ("match", "invert"),
}
"""What suits a setting; `span` where nothing is said."""
CURVES, FEW = ("batch 1", "batch 4", "all weights, batch 4"), 6
"""Settings that have all codecs; others have the first six."""


def trained_federation(
    seed: int, adapter: dict[str, Any], algorithm: dict[str, Any] | None = None
) -> tuple[Federation, Tensor, Tensor]:
    """Return the suite `leakage`'s ten clients, what they hold after seven rounds, and how the
    last of these moved it. Decoders' texts have 24 tokens.
    """
    decodes = adapter == DECODER
    config = make_config(
        {
            "suite": "leakage-messages",
            "task": {
                "name": "reuters-r8",
                "max_length": 24 if decodes else 16,
                "max_test_examples": 16,
            },
            "model": {"name": "smollm2-135m" if decodes else "minilm"},
            "adapter": adapter,
            "partition": {"name": "dirichlet_client", "alpha": 1.0, "num_clients": 10},
            "algorithm": {"name": "fedavg", **STEP, **(algorithm or {}), "batch_size": 4},
            "clients_per_round": 4,
            "rounds": ROUND,
            "seed": seed,
        }
    )
    fed = make_problem(config, Hooks()).federation
    run = Simulation(fed)
    before = run.state.model
    for _ in range(ROUND - 1):
        before = run.state.model.clone()
        run.run_round()
    return fed, run.state.model, run.state.model - before


def listen(
    fed: Federation, held: Tensor, client: int, codecs: dict[str, Any], audits: list[Any]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each codec and audit, of one client's message of the round."""
    context = fed.context(ROUND)
    context = replace(context, clients=(client, *(c for c in context.clients if c != client)))
    algorithm: Any = fed.algorithm
    batches = fed.model.batches(
        fed.parts[client], algorithm.batch_size, fed.batch_rng(ROUND, client)
    )
    read = [np.asarray(batch.rows) for batch in islice(batches, algorithm.local_steps)]
    own = context.for_client(client)
    rng = fed.batch_rng(ROUND, client)
    delta = algorithm.train(own, held, fed.parts[client], {}, rng).delta
    shared = fed.shared_up(own, None)
    truth = AuditTruth(fed.parts, read={client: read})
    for name, spec in codecs.items():
        chain = {"name": "chain", "transforms": ["normalise"], "codec": spec}
        link = make_link(spec if spec == "fp32" else chain)
        frame = frame_vector("delta", link.codec, shared, link.codec.encode(delta, shared))
        heard = Heard(client, frame.pack(), shared, link)
        for audit in audits:
            where = StageContext.of(context, held.clone(), f"audit 0 {audit.name}")
            where = replace(where, algorithm=algorithm, truth=truth)
            fed.algorithm.load(fed.model, held)
            rows, _ = audit.hear(heard, where, {})
            yield from ({"codec": name, "audit": audit.name, **row} for row in rows)


def as_tables(rows: pd.DataFrame, audit: str) -> Tables:
    """Return an audit's rows as tables of runs, a run for each setting, codec and seed."""
    heard = rows[rows["audit"] == audit]
    keys = ["setting", "codec", "seed"]
    means = heard.groupby(keys)[["recall", "chance_recall", "payload_bits", "payload_bytes"]].mean()
    found = means.reset_index()
    results = pd.DataFrame(
        {
            "run": found[keys].astype(str).agg(" ".join, axis=1),
            "suite": "leakage-messages", "task": "reuters-r8", "adapter": "",
            "model": found["setting"].map(lambda name: name.split(",")[0].lower() if "," in name
                                          else "minilm"),
            "algorithm": found["setting"], "codec": found["codec"], "uplink": found["codec"],
            "downlink": "fp32", "partition": "", "alpha": np.nan, "heterogeneity": np.nan,
            "seed": found["seed"], "round": ROUND, "rounds": ROUND,
            "total_bytes": found["payload_bytes"], "payload_bits": found["payload_bits"],
            f"leak_recall_{audit}": found["recall"],
            f"chance_recall_{audit}": found["chance_recall"],
        }
    )  # fmt: skip
    specs = [CODECS[name] for name in found["codec"]]
    configs = [{"uplink": {"name": spec} if isinstance(spec, str) else spec} for spec in specs]
    runs = pd.DataFrame({"run": results["run"], "status": "done", "config": configs})
    return Tables(results, pd.DataFrame(), pd.DataFrame(), runs)


def main() -> None:
    """Make the rows, and write each as soon as it is there."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--out", type=Path, default=Path("docs/results/leakage/messages"))
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    asked.add_argument("--clients", type=int, default=2)
    asked.add_argument("--settings", nargs="+", default=list(SETTINGS))
    asked.add_argument("--codecs", nargs="+", default=list(CODECS), help="the first six elsewhere")
    asked.add_argument("--audits", nargs="+", default=["span", "omp"], help="where they suit")
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "messages.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    done = {(row["setting"], row["seed"], row["client"], row["audit"]) for row in rows}
    for seed in given.seeds:
        warm: dict[str, tuple[Federation, Tensor]] = {}
        for setting in given.settings:
            adapter, training = SETTINGS[setting]
            kind = {key: training[key] for key in ("name", "init") if key in training}
            key = str((adapter, kind))
            names = [one for one in AUDITS.get(setting, ("span",)) if one in given.audits]
            if not names:
                print(f"{setting}: none of {' '.join(given.audits)} suits it", flush=True)
                continue
            if key not in warm:
                warm[key] = trained_federation(seed, adapter, kind)[:2]
            fed, held = warm[key]
            fed = replace(fed, algorithm=make_algorithm({"name": "fedavg"} | training))
            for client in fed.context(ROUND).clients[: given.clients]:
                left = [one for one in names if (setting, seed, client, one) not in done]
                if not left:
                    continue
                audits = [make_audit(name, clients=1, rounds=(ROUND,)) for name in left]
                few = list(CODECS)[: None if setting in CURVES else FEW]
                codecs = {name: CODECS[name] for name in few if name in given.codecs}
                made = list(listen(fed, held, client, codecs, audits))
                rows += [{"setting": setting, "seed": seed, **row} for row in made]
                pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6g")
                print(setting, seed, client, flush=True)
    said = [one for one in sys.argv[1:] if one not in ("--out", str(given.out))]
    origin = provenance() | {"command": shlex.join(["python", SCRIPT, *said])}
    (given.out / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n")
    for audit in dict.fromkeys(row["audit"] for row in rows):
        drawn = make_figure("leakage").draw(as_tables(pd.DataFrame(rows), audit))
        save_figure(drawn, given.out, "leakage" if audit == "span" else f"leakage-{audit}")
    table = pd.DataFrame(rows).pivot_table(
        index=["setting", "audit"], columns="codec", values=["recall", "chance_recall"]
    )
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
