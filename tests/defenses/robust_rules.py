"""Calls rules on rows of numbers, as the server would."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import torch

from fedbytes.federated import Upload, make_defense, weighted_mean
from fedbytes.federated.testing.plugin_bench import stage_context

BOUNDED = {  # rules that stand against f attackers among 11 clients, and what they were built with
    "median": {},
    "trimmed_mean": {"f": 2},
    "krum": {"f": 2},
    "multi_krum": {"f": 2},
    "bulyan": {"f": 2},
    "geometric_median": {},
    "mda": {"f": 2},
    "cge": {"f": 2},
    "centered_clipping": {"iterations": 3},
}


@cache
def server():
    return stage_context("defense 0 check")


def uploads_of(rows, claims=None):
    claims = claims or [20] * len(rows)
    return [
        Upload(c, torch.tensor(row, dtype=torch.float32), n)
        for c, (row, n) in enumerate(zip(rows, claims, strict=True))
    ]


def defend(rows, *defenses, claims=None, context=None):
    """Return the uploads that a list of defences leaves, in order."""
    uploads = uploads_of(rows, claims)
    for spec in defenses:
        uploads, _ = make_defense(spec).uploads(uploads, context or server(), {})
    return uploads


def aggregate(rows, *defenses, **given):
    """Return what the server would average after a list of defences [numel], float64."""
    return weighted_mean(defend(rows, *defenses, **given)).double().numpy()


def server_holding(held):
    return replace(server(), held=torch.tensor(held, dtype=torch.float32))


def subsets(clients, size):
    """Return which clients are in each subset [subsets, clients], as weights of their mean."""
    chosen = list(combinations(range(clients), size))
    weights = np.zeros((len(chosen), clients))
    for place, members in enumerate(chosen):
        weights[place, list(members)] = 1 / size
    return weights
