"""How far the clients of a round agree: the geometry of what the server decoded from them."""

import math
from collections.abc import Sequence

import torch

from fedbytes.federated.hooks import Upload


def delta_geometry(uploads: Sequence[Upload]) -> dict[str, float]:
    """Return cosine, diversity and norms of the deltas of one round, in one pass over them.

    A sum over all pairs is what the squared norm of a sum holds beside the squares, so neither a
    Gram matrix nor all deltas side by side are needed: time and memory are those of the mean.

    Returns:
        `delta_cosine`: mean cosine over pairs of different clients; 1 if all point one way, and
            about 0 if they have nothing in common. Clients whose delta is 0 are left out.
        `delta_diversity`: sum of ||d||² over ||sum of d||² (gradient diversity, Yin et al. 2018,
            arXiv:1706.05699): 1/n if all n deltas are equal, 1 if they are orthogonal, above 1 if
            they cancel.
        `delta_norm`: mean of ||d||, weighted by examples.
        `delta_mean_norm`: ||weighted mean of d||; what it lacks to `delta_norm` cancelled out.

        A value that is not defined is left out: the cosine of fewer than two deltas, the
        diversity of deltas that sum to 0, and all of them for messages of different lengths.
    """
    if len({upload.delta.shape for upload in uploads}) > 1:
        return {}
    weights = [upload.examples / sum(u.examples for u in uploads) for upload in uploads]
    norms = [float(torch.linalg.vector_norm(upload.delta)) for upload in uploads]
    units, plain, mean = (torch.zeros_like(uploads[0].delta) for _ in range(3))
    for upload, weight, norm in zip(uploads, weights, norms, strict=True):
        plain.add_(upload.delta)
        mean.add_(upload.delta, alpha=weight)
        if norm > 0:
            units.add_(upload.delta, alpha=1.0 / norm)
    found = {
        "delta_norm": math.fsum(w * n for w, n in zip(weights, norms, strict=True)),
        "delta_mean_norm": float(torch.linalg.vector_norm(mean)),
    }
    count = sum(norm > 0 for norm in norms)
    if count > 1:
        pairs = count * (count - 1)
        cosine = (float(torch.linalg.vector_norm(units)) ** 2 - count) / pairs
        found["delta_cosine"] = min(max(cosine, -1.0), 1.0)
    squares, whole = math.fsum(n * n for n in norms), float(torch.linalg.vector_norm(plain)) ** 2
    if whole > 0:
        found["delta_diversity"] = squares / whole
    return found
