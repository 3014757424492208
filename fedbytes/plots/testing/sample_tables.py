"""Tables as a store gives them: made up, deterministic and plausible."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fedbytes.plots.tables.store_tables import Tables

_Row = dict[str, Any]


class SampleCodec(NamedTuple):
    """A codec of the samples: its links, bytes per round, loss of accuracy and relative speed."""

    uplink: str
    downlink: str
    size: int
    penalty: float
    speed: float


SAMPLE_CODECS: Mapping[str, SampleCodec] = {
    "fp32": SampleCodec("fp32", "fp32", 2_200_000, 0.0, 1.0),
    "nf4": SampleCodec("nf4", "nf4", 330_000, 0.004, 0.95),
    "topk 1 % 4 bit + EF": SampleCodec("topk", "topk", 60_000, 0.02, 0.6),
    "ecsq 1.1 bit + EF": SampleCodec("ecsq", "ecsq", 77_000, 0.002, 0.9),
}
ODD_LABELS = (
    "fp32",
    "$$ for _x_ | 50 % of $a^2$ <script>alert(1)</script> [bold]b[/bold]",
    "日本語 and 中国语\x1b[31m, in\ntwo lines",
    "a label of three hundred letters " * 9,
)
"""What users have called their methods: formulas, markup, control characters, any length."""
_CATEGORIES = ("earn", "acq", "crude", "trade", "money-fx", "interest", "ship", "grain")
_MESSAGES = (
    ("up", "delta", 0.49),
    ("up", "metrics", 0.002),
    ("down", "update", 0.36),
    ("down", "catch-up", 0.09),
    ("down", "state", 0.05),
)
_SECONDS = {
    "setup": 4.0,
    "train": 30.0,
    "evaluate": 10.0,
    "encode": 0.5,
    "decode": 0.2,
    "aggregate": 0.1,
    "other": 0.4,
}


@dataclass(frozen=True)
class _Run:
    task: str
    alpha: float
    label: str
    codec: SampleCodec
    seed: int
    rounds: int
    language_model: bool

    @property
    def id(self) -> str:
        return f"{self.task}-{self.alpha}-{self.label}-{self.seed}".replace(" ", "")

    def results(self, noise: np.random.Generator) -> list[_Row]:
        """Return one row per round; `noise` is shared by the codecs of a seed."""
        own = np.random.default_rng([self.seed, int(self.alpha * 10), len(self.label)])
        top = 0.955 - 0.06 * (self.alpha < 0.5) - self.codec.penalty + noise.normal(0, 0.004)
        rate = (0.45 if self.alpha > 0.5 else 0.28) * self.codec.speed
        rows, up, down = [], 0, 0
        for number in range(1, self.rounds + 1):
            up += int(self.codec.size * 0.5 * own.uniform(0.98, 1.02))
            down += int(self.codec.size * 0.5)
            accuracy = top - 0.6 * np.exp(-rate * number) + own.normal(0, 0.003)
            loss = 2.2 * np.exp(-rate * number) + 0.15 + self.codec.penalty * 3
            sent = {"up_bytes": up, "down_bytes": down, "total_bytes": up + down}
            rows.append(self._facts(number) | sent | self._metrics(accuracy, loss))
        return rows

    def _facts(self, number: int) -> _Row:
        return {
            "run": self.id,
            "suite": "quickstart",
            "task": self.task,
            "model": "minilm",
            "adapter": "lora",
            "algorithm": "fedavg",
            "codec": self.label,
            "uplink": self.codec.uplink,
            "downlink": self.codec.downlink,
            "partition": "dirichlet",
            "alpha": self.alpha,
            "heterogeneity": 0.5 / (1 + 2 * self.alpha) + 0.01 * self.seed,
            "seed": self.seed,
            "round": number,
            "rounds": self.rounds,
            "seconds": 3.0 * number,
        }

    def _metrics(self, accuracy: float, loss: float) -> _Row:
        words = self.language_model
        return {
            "train_loss": loss * 1.1,
            "loss": loss,
            "accuracy": np.nan if words else accuracy,
            "macro_f1": np.nan if words else accuracy - 0.05,
            "perplexity": np.exp(loss + 2) if words else np.nan,
        }

    def ledger(self, total: int) -> list[_Row]:
        return [
            {
                "run": self.id,
                "round": self.rounds,
                "client": 0,
                "direction": direction,
                "kind": kind,
                "payload_bytes": int(total * share) - 40 * self.rounds,
                "message_bytes": int(total * share),
                "encode_seconds": 0.1,
                "decode_seconds": 0.05,
            }
            for direction, kind, share in _MESSAGES
        ]

    def holdings(self, noise: np.random.Generator, clients: int) -> list[_Row]:
        shares = noise.dirichlet(np.full(clients, self.alpha), len(_CATEGORIES))
        sizes = 2000 / (1 + np.arange(len(_CATEGORIES)))
        return [
            {
                "run": self.id,
                "client": client,
                "category": category,
                "examples": int(shares[k, client] * sizes[k]),
            }
            for k, category in enumerate(_CATEGORIES)
            for client in range(clients)
        ]

    def views(self, clients: int) -> list[_Row]:
        """Return what each client has on its own tests in the last round, drawn from the run."""
        own = np.random.default_rng([self.seed, int(self.alpha * 10), len(self.label), 1])
        loss = own.gamma(4.0, 0.04, clients) + self.codec.penalty
        rows = [
            {"run": self.id, "round": self.rounds, "client": client, "examples": 20 + client}
            for client in range(clients)
        ]
        if self.language_model:
            return [row | {"perplexity": np.exp(2 + x)} for row, x in zip(rows, loss, strict=True)]
        return [row | {"accuracy": max(1 - x, 0.0)} for row, x in zip(rows, loss, strict=True)]

    def summary(self) -> _Row:
        return {
            "run": self.id,
            "suite": "quickstart",
            "status": "done",
            "error": None,
            "config": {
                "task": {"name": self.task},
                "seed": self.seed,
                "uplink": {"name": self.codec.uplink},
                "partition": {"name": "dirichlet", "alpha": self.alpha},
            },
            **{f"seconds_{phase}": value for phase, value in _SECONDS.items()},
            "peak_memory_bytes": 1_500_000_000,
            "setup_bytes": 90_000_000,
            "provenance": {
                "commit": "0123abc",
                "dirty": False,
                "versions": {"python": "3.12.1", "torch": "2.13.0", "transformers": "5.23.0"},
                "assets": {"minilm": "sha256:aa", "reuters-r8": "sha256:bb"},
                "device": "cpu",
                "threads": 1,
            },
        }


def name_codecs(tables: Tables, labels: Sequence[str]) -> Tables:
    """Return tables whose first codecs have other labels."""
    names = dict(zip(tables.results["codec"].unique(), labels, strict=False))
    return replace(tables, results=tables.results.replace({"codec": names}))


def sample_tables(
    alphas: Sequence[float] = (0.1, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    rounds: int = 12,
    codecs: Iterable[str] = tuple(SAMPLE_CODECS),
    task: str = "reuters-r8",
    clients: int = 10,
    language_model: bool = False,
) -> Tables:
    """Return the tables of a sweep over `alphas`, `codecs` and `seeds`.

    Args:
        alphas: of the Dirichlet partition; one setting each.
        seeds: runs of each setting and codec.
        rounds: evaluated rounds of each run.
        codecs: names of `SAMPLE_CODECS`.
        task: the name of the task.
        clients: clients of each partition.
        language_model: whether the metric is perplexity instead of accuracy.
    """
    results, ledger, partitions, runs, views = [], [], [], [], []
    for alpha in alphas:
        for label in codecs:
            for seed in seeds:
                run = _Run(task, alpha, label, SAMPLE_CODECS[label], seed, rounds, language_model)
                noise = np.random.default_rng([seed, int(alpha * 10)])
                rows = run.results(noise)
                results += rows
                ledger += run.ledger(rows[-1]["total_bytes"])
                partitions += run.holdings(noise, clients)
                views += run.views(clients)
                runs.append(run.summary())
    return Tables(
        pd.DataFrame(results),
        pd.DataFrame(ledger),
        pd.DataFrame(partitions),
        pd.DataFrame(runs),
        clients=pd.DataFrame(views),
    )


def attacked_tables(until: int = 5, rounds: int = 12) -> Tables:
    """Return the tables of runs under an attack that ends after round `until`.

    The success of one method halves each two rounds from then on, that of the others slower and
    slower, and that of the last never.
    """
    plain = sample_tables((1.0,), rounds=rounds)
    lives = dict(zip(SAMPLE_CODECS, (2.0, 3.0, 5.0, np.inf), strict=True))
    since = (plain.results["round"] - until).clip(lower=0)
    taught = np.minimum(1.0, plain.results["round"] / until)
    success = taught * 0.5 ** (since / plain.results["codec"].map(lives))
    results = plain.results.assign(attack_success=success, attack_chance=0.02)
    codecs = plain.results.groupby("run")["codec"].first()
    life = plain.runs["run"].map(codecs).map(lives).replace(np.inf, np.nan)
    attack = {"attack": [{"name": "trigger", "until_round": until}], "rounds": rounds}
    configs = plain.runs["config"].map(lambda config: config | attack)
    runs = plain.runs.assign(attack_half_life=life, config=configs)
    return replace(plain, results=results, runs=runs)
