"""What cleaners find of planted rows, what they cost of clean ones, and what clean runs lose.

    python benchmarks/cleaning.py [--out DIR] [--seeds 0 1 2] [--part found clean judged]

Prints three tables and writes the rows behind them into DIR (docs/results/cleaning); called again
it makes what is missing there:

- found: FedAvg runs for three rounds on planted data, nobody cleans, and then every cleaner is
  asked what it would leave out in the fourth. Shares are over the clients whose rows were tampered
  with, lost rows also over the others.
- clean: whole runs without an attack, with each cleaner and with none.
- judged: perplexity and ONION once more, by SmolLM2-135M instead of word frequencies, on a hundred
  rows, ten of which are planted.
"""

import argparse
import csv
import hashlib
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedbytes.data import EncodedSplit
from fedbytes.defenses.cleaner_parts.text_surprise import plain_texts, text_surprise
from fedbytes.defenses.cleaners.onion import suspicious_words
from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.client_split import split_examples
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.experiments.store.provenance import provenance
from fedbytes.federated import Federation, Hooks, Simulation, make_plugins
from fedbytes.federated.stages.client_stages import clean
from fedbytes.federated.stages.trusted_rows import root_examples
from fedbytes.models import build_model, encode_task
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.streams import stream

ROUNDS_BEFORE, ROUNDS = 3, 6
BASE: dict[str, Any] = {
    "task": {
        "name": "reuters-r8",
        "max_length": 32,
        "max_train_examples": 1000,
        "max_test_examples": 600,
    },
    "model": "minilm",
    "adapter": {"name": "lora", "rank": 8, "layers": 1},
    "partition": {"name": "dirichlet", "alpha": 1.0, "num_clients": 10, "min_size": 20},
    "algorithm": {"name": "fedavg", "local_steps": 4, "learning_rate": 5.0e-3},
    "rounds": ROUNDS,
    "evaluate_every": ROUNDS,
}
CLIENTS_HIT = {"3 of 10 clients": 3, "all clients": 10}
PLANTS = {"trigger": 0.1, "flip": 0.3, "duplicate": 0.3}
"""The share of a client's rows that is planted, of those that can be."""
TITLES = {"trigger": "trigger 10 %", "flip": "flipped labels 30 %", "duplicate": "copies 30 %"}
TRIGGER, TARGET = "cf", -1
"""A rare word, put in front of a text whose label becomes the last one."""


def cleaners(rate: float) -> list[dict[str, Any]]:
    """Return the cleaners, told the share that is planted where they ask."""
    return [
        {"name": "loss", "drop": rate, "from_round": 2},
        {"name": "influence", "drop": rate},
        {"name": "spectral", "share": rate / 1.5},
        {"name": "activation_clustering"},
        {"name": "perplexity", "drop": rate},
        {"name": "duplicates"},
        {"name": "onion"},
    ]


@dataclass(frozen=True)
class Planted:
    """A federation in which some rows are planted.

    Attributes:
        fed: the federation.
        rows: the rows that are planted, sorted.
        hit: the clients that have some.
    """

    fed: Federation
    rows: np.ndarray
    hit: tuple[int, ...]


def plant(kind: str, clients: int, seed: int) -> Planted:
    """Return the federation of a seed after so many of its clients' rows were tampered with."""
    config = make_config(BASE | {"seed": seed})
    parts = config.components
    task = encode_task(parts.task, parts.model)
    holds = split_examples(config, task.train.columns).partition.indices
    rng = stream(seed, f"benchmark cleaning {kind}")
    hit = tuple(sorted(rng.permutation(len(holds))[:clients].tolist()))
    labels, rows = np.array(task.train.labels), dict(enumerate(_rows(task.train)))
    target, last = len(task.label_names) + TARGET, len(task.label_names) - 1
    (word,) = task.tokenizer([TRIGGER], add_special_tokens=False)["input_ids"]
    planted: list[int] = []
    for client in hit:
        own = holds[client]
        able = own[labels[own] != target] if kind == "trigger" else own[1:]
        chosen = rng.choice(able, round(PLANTS[kind] * len(able)), replace=False)
        for row in sorted(chosen.tolist()):  # what is copied stays as it is from then on
            if kind == "trigger":
                room = task.max_length - 2 - len(word)  # the special tokens at both ends stay
                first, text, last_one = rows[row][:1], rows[row][1:-1][:room], rows[row][-1:]
                rows[row] = np.concatenate([first, word, text, last_one])
                labels[row] = target
            elif kind == "flip":
                labels[row] = last - labels[row]
            else:
                other = int(rng.choice(own[own < row]))  # the first of a group stays
                rows[row] = rows[other].copy()
                rows[row][rng.integers(1, len(rows[row]) - 1)] = word[0]
                labels[row] = labels[other]
        planted += chosen.tolist()
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in rows.values()])])
    tokens = np.concatenate(list(rows.values())).astype(np.int32)
    digest = hashlib.sha256(tokens.tobytes() + offsets.tobytes()).hexdigest()
    train = replace(task.train, tokens=tokens, offsets=offsets, labels=labels, digest=digest)
    model = build_model(parts.model, parts.adapter, replace(task, train=train), seed=seed)
    fed = Federation(
        model=model,
        parts=holds,
        algorithm=parts.algorithm,
        uplink=parts.uplink,
        downlink=parts.downlink,
        clients_per_round=len(holds),
        seed=seed,
    )
    return Planted(fed, np.sort(np.array(planted)), hit)


def _rows(split: EncodedSplit) -> list[np.ndarray]:
    return np.split(split.tokens, split.offsets[1:-1])


Job = tuple[str, Callable[[], list[dict[str, Any]]]]
"""A name, and what makes the rows of it."""


def found(seeds: list[int]) -> Iterator[Job]:
    """Yield what each cleaner drops of planted and of clean rows in the fourth round."""
    for seed in seeds:
        for kind, (who, clients) in product(PLANTS, CLIENTS_HIT.items()):
            title = f"{TITLES[kind]}, {who}"
            yield f"{title}, seed {seed}", partial(_found, kind, title, clients, seed)


def _found(kind: str, title: str, clients: int, seed: int) -> list[dict[str, Any]]:
    planted = plant(kind, clients, seed)
    run = Simulation(planted.fed)
    for _ in range(ROUNDS_BEFORE):
        run.run_round()
    base = {"planted_rows": title, "seed": seed}
    return [
        base | {"cleaner": spec["name"], **_counts(planted, run.state.model, spec)}
        for spec in cleaners(PLANTS[kind])
    ]


def _counts(planted: Planted, held: torch.Tensor, spec: dict[str, Any]) -> dict[str, int]:
    fed = replace(planted.fed, plugins=make_plugins(clean=spec))
    clean_rows = np.setdiff1d(np.concatenate(fed.parts), planted.rows)
    root = root_examples(replace(fed, server_rows=clean_rows))  # which the server has seen
    payload = None if root is None else root.payload
    counts = dict.fromkeys(("planted", "planted_dropped", "clean", "clean_dropped"), 0)
    counts |= {"honest": 0, "honest_dropped": 0}
    for client, rows in enumerate(fed.parts):
        context = fed.context(ROUNDS_BEFORE + 1).for_client(client)
        dropped = _left_out(fed, context, held, payload, rows)
        bad = len(np.intersect1d(dropped, planted.rows))
        if client in planted.hit:
            own = len(np.intersect1d(rows, planted.rows))
            counts["planted"] += own
            counts["planted_dropped"] += bad
            counts["clean"] += len(rows) - own
            counts["clean_dropped"] += len(dropped) - bad
        else:
            counts["honest"] += len(rows)
            counts["honest_dropped"] += len(dropped)
    return counts


def _left_out(
    fed: Federation, context: Any, held: torch.Tensor, root: bytes | None, rows: np.ndarray
) -> np.ndarray:
    """Return the rows that a client's cleaner drops, or rewrites."""
    (cleaner,) = fed.plugins.clean
    if cleaner.rewrites:
        return np.array(sorted(cleaner.rewrite(fed.model.task, rows)), dtype=np.int64)
    return np.setdiff1d(rows, clean(fed, context, held, {}, root))


def cleaned_runs(seeds: list[int]) -> Iterator[Job]:
    """Yield the final accuracy of runs without an attack, by cleaner."""
    for spec, seed in product((None, *cleaners(0.1)), seeds):
        name = "none" if spec is None else spec["name"]
        yield f"{name}, seed {seed}", partial(_cleaned_run, name, spec, seed)


def _cleaned_run(name: str, spec: dict[str, Any] | None, seed: int) -> list[dict[str, Any]]:
    problem = make_problem(make_config(BASE | {"clean": spec, "seed": seed}), Hooks())
    run = Simulation(problem.federation)
    for _ in range(ROUNDS):
        run.run_round()
    problem.federation.algorithm.load(problem.model, run.state.model)
    root = sum(e.message_bytes for e in run.ledger.entries if e.kind == "root")
    accuracy = problem.model.evaluate()["accuracy"]
    row = {"cleaner": name, "seed": seed, "accuracy": accuracy, "root_bytes": root}
    return [row | {"total_bytes": run.ledger.total}]


def judged(seeds: list[int]) -> Iterator[Job]:
    """Yield what each judge makes of a hundred rows, a tenth of them planted."""
    for judge, seed in product(("unigram", "smollm2-135m"), seeds):
        yield f"{judge}, seed {seed}", partial(_judged, seed, judge)


def _judged(seed: int, judge: str, count: int = 100) -> list[dict[str, Any]]:
    made = plant("trigger", 10, seed)
    task: Any = made.fed.model.task  # type: ignore[attr-defined]
    rows, planted = np.concatenate(made.fed.parts), made.rows
    rng = stream(seed, "judged")
    tenth = rng.choice(planted, count // 10, replace=False)
    others = rng.choice(np.setdiff1d(rows, planted), count - len(tenth), replace=False)
    sample = np.concatenate([tenth, others])
    texts = plain_texts(task.train, sample, task.tokenizer)
    surprise = text_surprise(judge, plain_texts(task.train, rows, task.tokenizer))
    strange = np.argsort(-surprise(texts), kind="stable")[: len(tenth)]
    taken = [
        [text.split()[place] for place in suspicious_words(text, surprise, 1, 0.1)]
        for text in texts
    ]
    hit = sum("cf" in words for words in taken[: len(tenth)])
    changed = sum(bool(words) for words in taken[len(tenth) :])
    sizes = {"planted": len(tenth), "clean": len(others)}
    base = {"judge": judge, "seed": seed, **sizes}
    got = int((strange < len(tenth)).sum())
    return [
        base | {"cleaner": "perplexity", "planted_dropped": got, "clean_dropped": len(tenth) - got},
        base | {"cleaner": "onion", "planted_dropped": hit, "clean_dropped": changed},
    ]


def _percent(rows: list[dict[str, Any]], part: str, whole: str) -> str:
    shares = [100 * row[part] / row[whole] for row in rows if row[whole]]
    return _mean(shares) if shares else "–"


def _mean(values: list[float]) -> str:
    """Return a mean over seeds with its 95 % interval."""
    found = t_interval(values)
    return f"{found.mean:.1f} ± {found.half:.1f}" if found.n > 1 else f"{found.mean:.1f}"


def found_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return what was found, a line an attack and cleaner, in percent."""
    lines = [
        "| planted | cleaner | recall | precision | clean rows lost | of honest clients |",
        "|---|---|---|---|---|---|",
    ]
    for title, name in dict.fromkeys((row["planted_rows"], row["cleaner"]) for row in rows):
        some = [row for row in rows if (row["planted_rows"], row["cleaner"]) == (title, name)]
        some = [r | {"dropped": r["planted_dropped"] + r["clean_dropped"]} for r in some]
        pairs = [("planted_dropped", "planted"), ("planted_dropped", "dropped")]
        pairs += [("clean_dropped", "clean"), ("honest_dropped", "honest")]
        cells = " | ".join(_percent(some, *pair) for pair in pairs)
        lines.append(f"| {title} | `{name}` | {cells} |")
    return lines


def clean_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the accuracy of clean runs by cleaner, and the difference to none, paired by seed."""
    lines = [
        "| cleaner | accuracy, % | against none | kB of trusted examples |",
        "|---|---|---|---|",
    ]
    plain = {row["seed"]: row["accuracy"] for row in rows if row["cleaner"] == "none"}
    for name in dict.fromkeys(row["cleaner"] for row in rows):
        some = [row for row in rows if row["cleaner"] == name]
        mean = _mean([100 * row["accuracy"] for row in some])
        moved = [100 * (row["accuracy"] - plain[row["seed"]]) for row in some]
        apart = "–" if name == "none" else _mean(moved)
        sent = np.mean([row["root_bytes"] for row in some]) / 1000
        lines.append(f"| `{name}` | {mean} | {apart} | {sent:.1f} |")
    return lines


def judged_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return what each judge found."""
    lines = ["| judge | cleaner | recall | clean rows lost or changed |", "|---|---|---|---|"]
    for judge, name in dict.fromkeys((row["judge"], row["cleaner"]) for row in rows):
        some = [row for row in rows if (row["judge"], row["cleaner"]) == (judge, name)]
        recall, lost = (
            _percent(some, *pair)
            for pair in (("planted_dropped", "planted"), ("clean_dropped", "clean"))
        )
        lines.append(f"| {judge} | `{name}` | {recall} | {lost} |")
    return lines


def make(jobs: Iterator[Job], kept: Path | None, commit: str) -> list[dict[str, Any]]:
    """Return the rows of jobs; those that were kept before are not made again.

    Raises:
        SystemExit: if they were kept by another commit or with other settings.
    """
    before: dict[str, list[dict[str, Any]]] = {}
    maker = [commit, BASE]
    for line in kept.read_text(encoding="utf-8").splitlines() if kept and kept.exists() else ():
        try:
            name, by, made = json.loads(line)
        except ValueError:  # cut by a kill
            continue
        if by != maker:
            raise SystemExit(
                f"{kept} is of commit {by[0]} or of other settings: take another --out"
            )
        before[name] = made
    rows = []
    for name, measure in jobs:
        made = before.get(name) or measure()
        if kept is not None and name not in before:
            with kept.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps([name, maker, made]) + "\n")
        print(*map(json.dumps, made), sep="\n", flush=True)
        rows += made
    return rows


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", nargs="+", default=["found", "clean", "judged"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    origin = provenance()  # before the rows change the tree
    parts = {
        "found": (found, found_table),
        "clean": (cleaned_runs, clean_table),
        "judged": (judged, judged_table),
    }
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    for part in given.part:
        jobs, table = parts[part]
        kept = given.out and given.out / f"{part}.jsonl"
        rows = make(jobs(given.seeds), kept, str(origin.get("commit")))
        lines = table(rows)
        print("\n".join(lines))
        if given.out:
            (given.out / f"{part}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
            with (given.out / f"{part}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    if given.out:
        words = ["python", "benchmarks/cleaning.py", "--seeds", *map(str, given.seeds)]
        words += ["--part", *given.part]
        origin |= {"command": shlex.join(words), "base": BASE}
        (given.out / "provenance.json").write_text(json.dumps(origin, indent=1) + "\n")


if __name__ == "__main__":
    main()
