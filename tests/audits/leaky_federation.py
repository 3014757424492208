"""Federations of tiny transformers whose clients' texts differ, and what audits find in them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel

from fedbytes.data import TextData
from fedbytes.data.text_data import make_split, make_text_data
from fedbytes.data.tokens.token_cache import encode
from fedbytes.federated import Federation, Simulation, make_algorithm, make_link, make_plugins
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import SIZES, byte_tokenizer
from fedbytes.models.testing.tiny_task import on_cpu
from fedbytes.streams import stream

LETTERS = [chr(ord("a") + place) for place in range(26)]
WHOLE = {"bert": ["query", "key", "value"], "llama": ["q_proj", "k_proj", "v_proj"]}
CLIENTS, TEXTS = 4, 120


def letter_texts(letters: int = 10) -> TextData:
    """Texts of ten letters of 26: two strangers share few of them."""
    rng = stream(0, "letter texts")
    rows = ["".join(rng.choice(LETTERS, letters, replace=False)) for _ in range(TEXTS)]
    labels = np.array(["one", "two", "three"])[rng.integers(3, size=TEXTS)]
    return make_text_data(
        "letters",
        make_split(rows[:40], {"label": labels[:40]}),
        make_split(rows[40:], {"label": labels[40:]}),
    )


def bold_bert(spread: float = 0.3) -> str:
    """Return the folder of a tiny BERT with large weights: its texts have features of their own.

    With small ones all texts have about the same features, to which the head's gradient is
    orthogonal, and so no gradient comes through.
    """
    folder = Path(os.environ["FEDBYTES_HOME"]) / f"bold-bert-{spread}"
    if not folder.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            config = BertConfig(
                **SIZES,
                num_attention_heads=4,
                max_position_embeddings=64,
                initializer_range=spread,
            )
            BertModel(config).save_pretrained(folder)
        byte_tokenizer().save_pretrained(folder)
    return str(folder)


def make_federation(
    audit: Any,
    uplink: Any = "fp32",
    model: str = "bold-bert",
    adapter: Any = None,
    layers: tuple[int, ...] = (0,),
    privacy: Any = None,
    clients: int = CLIENTS,
    letters: int = 10,
    spread: float = 0.3,
    **training: Any,
) -> Federation:
    kind = "classification" if model == "bold-bert" else "causal-lm"
    name = bold_bert(spread) if model == "bold-bert" else model
    whole = {"name": "matrices", "targets": WHOLE[model.split("-")[1]], "layers": layers}
    longest = letters if kind == "classification" else letters + 2  # a token before, one after
    task = encode(letter_texts(letters), byte_tokenizer(), "bytes", kind, longest)
    plain = {"local_steps": 1, "batch_size": 1, "optimizer": "sgd", "learning_rate": 1e-3}
    return Federation(
        model=build_model(on_cpu(name), adapter or whole, task, prefix_cache=False),
        parts=np.array_split(np.arange(40), CLIENTS),
        algorithm=make_algorithm("fedavg", **(plain | training)),
        uplink=make_link(uplink),
        downlink=make_link("fp32"),
        clients_per_round=clients,
        plugins=make_plugins(audit=audit, privacy=privacy),
    )


def listen(rounds: int = 2, **options: Any) -> list[dict[str, Any]]:
    """Run rounds and return the audits' rows."""
    run = Simulation(make_federation(**options))
    found = []
    for _ in range(rounds):
        run.run_round()
        found += run.audit()
    return found
