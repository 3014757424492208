"""Tiny transformers with LoRA on texts of three colours, and federations of them."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch

from fedbytes.data import encode, make_split, make_text_data
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.simulation import Simulation
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer

STEPS = {"local_steps": 3, "batch_size": 4, "learning_rate": 0.02}
TEXTS = 40


@lru_cache
def colours(kind="classification"):
    def split(count, seed):
        rng = np.random.default_rng(seed)
        words = np.array(["red", "green", "blue"])[rng.integers(3, size=count)]
        texts = [f"{word} {'x' * rng.integers(1, 30)}" for word in words]
        return make_split(texts, {"label": words})

    data = make_text_data("colours", split(TEXTS, 0), split(17, 1))
    return encode(data, byte_tokenizer(), "bytes", kind, 24)


def tiny(model="tiny-bert", rank=2, kind="classification", base=None, **adapter):
    spec = {"name": model, "device": "cpu", "precision": "float32"} | (base or {})
    adapter = {"name": "lora", "rank": rank, **adapter}
    return build_model(spec, adapter, colours(kind), layer_cache=False)


class Watched:
    """A federation that remembers what every client trained to, and every message."""

    def __init__(self, algorithm, clients=3, model=None, link="fp32", steps=STEPS, **fields):
        self.model = model or tiny()
        self.spec = {"name": algorithm} if isinstance(algorithm, str) else dict(algorithm)
        made = make_algorithm({**steps, **self.spec})
        bounds = np.linspace(0, 1, clients + 1) ** 1.5 * TEXTS  # parts of unequal sizes
        self.parts = [np.arange(int(a), int(b)) for a, b in pairwise(bounds)]
        settings = {"clients_per_round": clients, "initial": "seed"} | fields
        self.fed = Federation(
            model=self.model,
            parts=self.parts,
            algorithm=made,
            uplink=make_link(link),
            downlink=make_link(link),
            **settings,
        )
        self.run = Simulation(self.fed)
        self.state, self.ledger = self.run.state, self.run.ledger

    def go(self, rounds=1):
        """Run rounds; keep the weights (base + scale B A) that clients of the last ended with."""
        self.ended, train = [], type(self.fed.algorithm).train

        def remember(algorithm, context, begin, *rest):
            trained = train(algorithm, context, begin, *rest)
            self.ended.append(effective(context.model))
            return trained

        try:
            type(self.fed.algorithm).train = remember
            for _ in range(rounds):
                self.ended.clear()
                self.run.run_round()
        finally:
            type(self.fed.algorithm).train = train
        return self

    @property
    def shares(self):
        sizes = np.array([len(self.parts[c]) for c in self.fed.context(self.state.round).clients])
        return (sizes / sizes.sum()).tolist()

    def mean_of_products(self):
        """Return what an exact aggregation gives: the weighted mean of the clients' weights."""
        return [
            sum(w * e[place] for w, e in zip(self.shares, self.ended, strict=True))
            for place in range(len(self.ended[0]))
        ]

    def loaded(self):
        """Return the weights that the model has when what the server holds is evaluated."""
        self.fed.algorithm.load(self.model, self.state.model)
        return effective(self.model)

    def payloads(self, direction, kinds=("delta", "update", "state"), round_=None):
        """Return the payload bytes of the messages that carry tensors."""
        return [
            e.payload_bytes
            for e in self.ledger.entries
            if e.direction == direction and e.kind in kinds and round_ in (None, e.round)
        ]


def effective(model):
    """Return the weights that inputs see, measured: what the adapted layers do to unit vectors."""
    out = []
    for module in model.network.modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            eye = torch.eye(module.in_features)
            with torch.no_grad():
                zero = module(torch.zeros(1, module.in_features))
                out.append((module(eye) - zero).T.clone())
    return out
